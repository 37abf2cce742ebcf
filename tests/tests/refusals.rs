// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each refusal as the user of `xsk-client run` sees it: its code, its sentence, what to do, and
//! nothing left half-made.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;

use nix::sys::resource::Resource;
use serde_json::Value;
use xsk_tests::lab;
use xsk_tests::lab::foreign::{NATIVE, Way};
use xsk_tests::lab::link::ip;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::pair;
use xsk_tests::lab::{Cmd, HELPER, Lab, SOCKET, SOON, wait_until};
use xsk_tests::proto::Code;

/// Runs `run … -- echo started` for this netdev; it has to fail with 125, this code, and these
/// words in the sentence and in the hint.
#[track_caller]
fn refused(run: Cmd, netdev: &str, code: &str, sentence: &[&str], hint: &[&str]) -> Value {
    let args = ["--error-format=json", "--acquire", netdev, "--", "echo", "started"];
    refused_as_given(run.args(args), code, sentence, hint)
}

#[track_caller]
fn refused_as_given(run: Cmd, code: &str, sentence: &[&str], hint: &[&str]) -> Value {
    let done = run.run(SOON).exits(125);
    assert_eq!(done.stdout, "", "the command was started");
    let error: Value =
        serde_json::from_str(done.stderr.lines().last().unwrap()).expect(&done.stderr);
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    assert_eq!(text("code"), code, "{error}");
    assert!(
        sentence.iter().all(|part| text("message").contains(part)),
        "{sentence:?} are not in {error}"
    );
    assert!(hint.iter().all(|part| text("hint").contains(part)), "{hint:?} are not in {error}");
    assert!(!text("object").is_empty() && text("message").len() > 10, "{error}");
    assert!(!text("hint").is_empty(), "no hint: {error}");
    error
}

fn run(lab: &Lab) -> Cmd {
    lab.client("run")
}

const ETH1: &str = "af-xdp,id=n0,ifname=eth1";

#[test]
fn not_allowed() {
    let lab = lab!();
    lab.veth(1);
    lab.policy("");
    refused(run(&lab), ETH1, "not-allowed", &["eth1"], &["policy.toml"]);
    lab.policy(&format!(
        "[[allow]]\nusers = [{0}]\ninterfaces = [\"*\"]\n[[deny]]\nusers = [{0}]\ninterfaces = [\"eth1\"]\n",
        lab.user.uid
    ));
    refused(run(&lab), ETH1, "not-allowed", &["eth1"], &[]);
    // By group, which is not for a uid that is no user's (subuid(5)); and the primary group counts.
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    lab.policy(&format!("[[allow]]\ngroups = [{}]\ninterfaces = [\"eth1\"]\n", lab.user.uid));
    refused(run(&lab), ETH1, "not-allowed", &["eth1"], &["policy.toml"]);
    let known = format!("{passwd}guest:x:{0}:{0}::/nonexistent:/bin/false\n", lab.user.uid);
    lab.cover("/etc/passwd", &known);
    lab.policy(&format!("[[allow]]\ngroups = [{}]\ninterfaces = [\"eth1\"]\n", lab.user.uid));
    run(&lab).args(["--acquire", ETH1, "--", "true"]).run(SOON).ok();
    lab.policy("[[allow]]\ngroups = [\"xsk\"]\ninterfaces = [\"eth1\"]\n");
    run(&lab).args(["--acquire", ETH1, "--", "true"]).run(SOON).ok();
    lab.nothing_left("eth1", &[]);
}

#[test]
fn no_such_interface() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    refused(run(&lab), "af-xdp,id=n0,ifname=eth9", "no-such-interface", &["eth9"], &["ip"]);
    refused(run(&lab), "af-xdp,id=n0,ifname=a%d", "bad-name", &["%"], &[]);
    ip(&["link", "property", "add", "dev", "eth1", "altname", "alt1"]);
    refused(run(&lab), "af-xdp,id=n0,ifname=alt1", "bad-name", &["alt1"], &["ifname=eth1"]);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn queue_out_of_range() {
    let lab = lab!();
    lab.veth(2);
    lab.allow("*");
    refused(run(&lab), "af-xdp,id=n0,ifname=eth1,queues=3", "queue-range", &["eth1", "2"], &[]);
    refused(
        run(&lab),
        "af-xdp,id=n0,ifname=eth1,start-queue=2",
        "queue-range",
        &["eth1", "2"],
        &[],
    );
    lab.nothing_left("eth1", &[]);
}

#[test]
fn queue_busy() {
    let lab = lab!();
    lab.veth(2);
    lab.allow("*");
    let mut holder =
        run(&lab).args(["--acquire", ETH1, "--", "sh", "-c", "echo held; exec sleep 60"]).start();
    holder.says("held", SOON);
    let error = refused(run(&lab), ETH1, "busy", &["eth1", "0"], &[]);
    assert!(
        error["message"].as_str().unwrap().contains(&lab.user.uid.to_string()),
        "the holder: {error}"
    );
    // The free queue of a range that is half busy stays free.
    refused(run(&lab), "af-xdp,id=n0,ifname=eth1,queues=2", "busy", &["eth1", "0"], &[]);
    run(&lab)
        .args(["--acquire", "af-xdp,id=n0,ifname=eth1,start-queue=1", "--", "true"])
        .run(SOON)
        .ok();
    // Waiting ends with the holder.
    let waiting = run(&lab).args(["--wait=60", "--acquire", ETH1, "--", "echo", "started"]);
    let mut waiting = waiting.start();
    waiting.says("waiting", SOON);
    holder.kill();
    let done = waiting.finish(SOON).ok();
    assert_eq!(done.stdout, "started\n");
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_stranger_in_the_slot_is_busy_too() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    // A killed keeper takes its lock along and leaves the socket in its slot.
    let (wire, helper) = lab.exec(&lab.user);
    let grant = wire.get("eth1", 0, 1).unwrap();
    helper.finish(SOON).ok();
    Process::new(grant.granted.keeper).kill();
    drop(wire);
    lab.no_helpers_but(&[]);
    refused(run(&lab), ETH1, "busy", &["eth1", "0"], &[]);
    drop(grant);
    run(&lab).args(["--acquire", ETH1, "--", "true"]).run(SOON).ok();
    lab.nothing_left("eth1", &[]);
}

#[test]
fn mode_not_supported_by_the_driver() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    ip(&["link", "add", "link", "eth1", "name", "mv1", "type", "macvlan", "mode", "bridge"]);
    refused(
        run(&lab),
        "af-xdp,id=n0,ifname=mv1,mode=native",
        "mode-unsupported",
        &["mv1", "os error 95"],
        &["skb"],
    );
    lab.nothing_left("mv1", &[]);
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nmodes = [\"skb\"]\n",
        lab.user.uid
    ));
    refused(run(&lab), "af-xdp,id=n0,ifname=eth1,mode=native", "not-allowed", &["mode"], &[]);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_foreign_program() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    let stranger = lab.stranger("eth1", Way::Netlink, NATIVE);
    let before = lab.xdp("eth1").unwrap();
    refused(
        run(&lab),
        ETH1,
        "foreign-program",
        &["eth1", &before.id.to_string()],
        &["bpftool", &before.id.to_string()],
    );
    assert_eq!(lab.xdp("eth1"), Some(before));
    drop(stranger);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn mtu_too_large() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    lab.in_peer(|| ip(&["link", "set", &veth.peer, "mtu", "9000"]));
    ip(&["link", "set", "eth1", "mtu", "9000"]);
    refused(run(&lab), ETH1, "mtu-too-large", &["9000", "3840"], &["ip link set", "mtu", "eth1"]);
    lab.nothing_left("eth1", &[]);
    ip(&["link", "set", "eth1", "mtu", "1500"]);
    run(&lab).args(["--acquire", ETH1, "--", "true"]).run(SOON).ok();
    lab.nothing_left("eth1", &[]);
}

#[test]
fn bpffs_not_mounted() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    let listener = lab.listen_as_service();
    nix::mount::umount("/run/xsk-helper/bpf").unwrap();
    let run = || lab.user_cmd("xsk-client").args(["run", "--socket", SOCKET]);
    refused(run(), ETH1, "no-bpffs", &["/run/xsk-helper/bpf"], &["mount"]);
    std::fs::remove_dir("/run/xsk-helper/bpf").unwrap();
    refused(run(), ETH1, "no-bpffs", &["/run/xsk-helper/bpf"], &["mount"]);
    lab.nothing_left("eth1", &[listener.pid()]);
}

#[test]
fn helper_not_reachable() {
    let lab = lab!();
    lab.veth(1);
    let run = |socket: &str| lab.user_cmd("xsk-client").args(["run", "--socket", socket]);
    refused(run("/run/none"), ETH1, "unreachable", &["/run/none"], &["xsk-helper"]);
    refused(run("/etc/passwd"), ETH1, "unreachable", &["/etc/passwd"], &[]);
    let (listener, spare) = (lab.listen(), lab.spare_soon());
    listener.kill();
    wait_until(SOON, "nobody to wait for a client", || !spare.is_live());
    refused(run(SOCKET), ETH1, "unreachable", &[SOCKET], &["systemctl"]);
    std::fs::remove_file(SOCKET).unwrap();
    refused(
        lab.user_cmd("xsk-client").arg("run"),
        ETH1,
        "unreachable",
        &["no helper"],
        &["install"],
    );
    lab.nothing_left("eth1", &[]);
}

#[test]
fn helper_not_installed_with_privileges() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    lab.install_helper(0o755);
    let hint = "chmod 4750 /usr/libexec/xsk-helper";
    refused(run(&lab), ETH1, "not-privileged", &["setuid"], &[hint]);
    lab.install_helper(0o640);
    let hint = "--helper /usr/libexec/xsk-helper";
    refused(run(&lab), ETH1, "not-installed", &["executable"], &[hint]);
    let none = lab.user_cmd("xsk-client").args(["run", "--helper", "/nonexistent/xsk-helper"]);
    refused(none, ETH1, "not-installed", &["/nonexistent/xsk-helper"], &["install"]);
    lab.install_helper(0o4750);
    let outsider = lab
        .cmd("xsk-client")
        .ids(lab.user.uid, lab.user.uid, &[])
        .args(["run", "--helper", HELPER]);
    refused(outsider, ETH1, "not-installed", &["group"], &["usermod"]);
    refused(run(&lab).no_new_privs(), ETH1, "not-privileged", &["no_new_privs"], &["socket"]);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_policy_that_cannot_be_read() {
    let lab = lab!();
    lab.veth(1);
    lab.policy("[[allow]\n");
    let error = refused(run(&lab), ETH1, "policy", &["nobody is served"], &["check-policy"]);
    assert_eq!(error["object"], format!("{}:1", lab::POLICY));
    lab.allow("*");
    std::fs::set_permissions(lab::POLICY, std::fs::Permissions::from_mode(0o666)).unwrap();
    let error = refused(run(&lab), ETH1, "policy", &["nobody is served"], &["check-policy"]);
    assert_eq!(error["object"], lab::POLICY);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_confinement_that_this_kernel_does_not_give() {
    let lab = lab!();
    lab.veth(1);
    let rule =
        |more: &str| format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n{more}", lab.user.uid);
    lab.policy(&rule("queues = \"0\"\n"));
    let done = run(&lab).args(["--error-format=json", "--acquire", ETH1, "--", "true"]).run(SOON);
    // Where the kernel has the bind guard there is nothing to refuse.
    if done.status.code() != Some(0) {
        refused(run(&lab), ETH1, "confinement", &["queue"], &["confine"]);
    }
    lab.policy(&rule("queues = \"0\"\nconfine = \"device\"\n"));
    run(&lab).args(["--acquire", ETH1, "--", "true"]).run(SOON).ok();
    refused(run(&lab), "af-xdp,id=n0,ifname=eth1,start-queue=1", "not-allowed", &["queue"], &[]);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn as_many_leases_as_the_policy_allows() {
    let lab = lab!();
    lab.veth(4);
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nmax_leases = 1\n",
        lab.user.uid
    ));
    let mut holder =
        run(&lab).args(["--acquire", ETH1, "--", "sh", "-c", "echo held; exec sleep 60"]).start();
    holder.says("held", SOON);
    refused(run(&lab), "af-xdp,id=n0,ifname=eth1,start-queue=1", "limit", &["1"], &[]);
    holder.kill();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nmax_queues = 2\n",
        lab.user.uid
    ));
    refused(run(&lab), "af-xdp,id=n0,ifname=eth1,queues=3", "not-allowed", &["2"], &[]);
    lab.nothing_left("eth1", &[]);
}

/// Those under another rule's higher limit count too, whichever slots they have.
#[test]
fn leases_are_counted_over_all_rules() {
    let lab = lab!();
    let (many, few) = (lab.veth(4), lab.veth(1));
    let rule = format!("[[allow]]\nusers = [{}]\ninterfaces = ", lab.user.uid);
    lab.policy(&format!(
        "{rule}[\"{}\"]\n{rule}[\"{}\"]\nmax_leases = 3\n",
        many.ifname, few.ifname
    ));
    let listener = lab.listen();
    let held: Vec<_> = (0..3)
        .map(|queue| {
            let wire = lab.wire();
            let grant = wire.get(&many.ifname, queue, 1).unwrap();
            (wire, grant)
        })
        .collect();
    for _ in 0..10 {
        lab.wire().is_refused(&few.ifname, 0, 1, Code::Limit);
    }
    drop(held);
    lab.no_helpers_but(&[listener.pid()]);
    let wire = lab.wire();
    wire.get(&few.ifname, 0, 1).unwrap();
}

#[test]
fn another_network_namespace() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    let listener = lab.listen();
    let peer = lab.peer_cmd("xsk-client").user(&lab.user).args(["run", "--socket", SOCKET]);
    refused(peer, ETH1, "namespace", &["namespace"], &["listen"]);
    lab.nothing_left("eth1", &[listener.pid()]);
    // The client compares namespaces for itself, so the helper's own refusal is seen on the wire
    // alone. It comes before anything is said of the interface.
    for ifname in ["eth1", "nonesuch"] {
        let wire = lab.in_peer(|| lab.wire());
        let refused = wire.is_refused(ifname, 0, 1, Code::Namespace);
        assert!(refused.message.contains("another network namespace"), "{refused:?}");
        assert!(!refused.hint.is_empty());
    }
    lab.nothing_left("eth1", &[listener.pid()]);
    let (wire, theirs) = lab.in_peer(|| pair(&lab.user));
    let _helper = lab.bare(&lab.user).stdin(theirs).start();
    wire.is_refused("eth1", 0, 1, Code::Namespace);
    lab.nothing_left("eth1", &[listener.pid()]);
}

/// Line 28 of the list of hostile things too.
#[test]
fn h28_too_little_locked_memory_for_qemu() {
    let lab = lab!();
    lab.veth(2);
    lab.allow("*");
    let limited = run(&lab)
        .args(["--error-format=json", "--"])
        .arg(lab.copy("/usr/bin/echo".as_ref(), "qemu-system-x86_64"))
        .args(["-netdev", "af-xdp,id=n0,ifname=eth1,queues=2"])
        .rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20);
    refused_as_given(limited, "memlock", &["64 MiB", "8 MiB"], &["prlimit", "134217728"]);
    // xsk-backend makes do with less, and its limit is known too.
    let backend = run(&lab)
        .args(["--error-format=json", "--"])
        .arg(lab.bin("xsk-backend"))
        .args(["--peer", "discard", "--netdev", ETH1])
        .rlimit(Resource::RLIMIT_MEMLOCK, 64 << 10);
    refused_as_given(backend, "memlock", &["64 KiB"], &["prlimit"]);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn no_service_user() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let without: String =
        passwd.lines().filter(|l| !l.starts_with(lab::SERVICE)).flat_map(|l| [l, "\n"]).collect();
    lab.cover("/etc/passwd", &without);
    refused(run(&lab), ETH1, "not-installed", &[lab::SERVICE], &["useradd"]);
    lab.nothing_left("eth1", &[]);
}

/// A veth whose other end is on the host too, or in the peer's namespace.
fn uneven_veth(lab: &Lab, seen: bool, sends: &str, mtu: &str) {
    ip(&[
        "link",
        "add",
        "eth3",
        "numrxqueues",
        "1",
        "numtxqueues",
        "1",
        "type",
        "veth",
        "peer",
        "name",
        "peer3",
        "numrxqueues",
        "1",
        "numtxqueues",
        sends,
    ]);
    ip(&["link", "set", "eth3", "up"]);
    ip(&["link", "set", "peer3", "mtu", mtu, "up"]);
    if !seen {
        lab.move_to_peer("peer3");
    }
}

#[test]
fn an_attach_that_fails_names_the_cause() {
    let lab = lab!();
    lab.allow("*");
    let cases = [
        (
            true,
            "4",
            "1500",
            "peer3, its other end, sends by 4 queues, and it receives by 1",
            "ethtool -L peer3 tx 1",
        ),
        (
            true,
            "1",
            "9000",
            "peer3, its other end, has an MTU of 9000",
            "ip link set dev peer3 mtu 3506",
        ),
        (
            false,
            "4",
            "1500",
            "its other end sends by more than the 1 queues",
            "ethtool -L PEER tx 1",
        ),
        (
            false,
            "1",
            "9000",
            "its other end has an MTU of more than the 3506",
            "ip link set dev PEER mtu 3506",
        ),
    ];
    for (seen, sends, mtu, cause, mend) in cases {
        uneven_veth(&lab, seen, sends, mtu);
        let netdev = "af-xdp,id=n0,ifname=eth3";
        let native = format!("{netdev},mode=native");
        refused(
            run(&lab),
            &native,
            "mode-unsupported",
            &[cause],
            &[mend, "xsk-client doctor eth3"],
        );
        lab.nothing_left("eth3", &[]);
        // Left to itself it takes skb mode, and says why.
        let done = run(&lab).args(["--acquire", netdev, "--", "true"]).run(SOON).ok();
        assert!(
            done.stderr.contains(&format!("native mode was refused: {cause}")),
            "{}",
            done.stderr
        );
        lab.nothing_left("eth3", &[]);
        ip(&["link", "del", "eth3"]);
    }
}

#[test]
fn interfaces_without_ethernet_frames_are_refused_as_what_they_are() {
    let lab = lab!();
    lab.allow("*");
    let lo = &["lo cannot carry a guest's frames: it is the host's loopback"][..];
    refused(run(&lab), "af-xdp,id=n0,ifname=lo", "not-ethernet", lo, &["ip link"]);
    ip(&["tuntap", "add", "dev", "tun9", "mode", "tun"]);
    let tun = &["tun9 cannot carry a guest's frames: its packets have no Ethernet header"][..];
    refused(run(&lab), "af-xdp,id=n0,ifname=tun9", "not-ethernet", tun, &["mode tap"]);
    lab.nothing_left("tun9", &[]);
    for name in ["lo", "tun9"] {
        let said = lab.client("doctor").arg(name).run(SOON).exits(78);
        assert!(said.stdout.contains("cannot carry a guest's frames"), "{}", said.stdout);
    }
    ip(&["tuntap", "add", "dev", "tap9", "mode", "tap"]);
    run(&lab).args(["--acquire", "af-xdp,id=n0,ifname=tap9", "--", "true"]).run(SOON).ok();
    lab.nothing_left("tap9", &[]);
}
