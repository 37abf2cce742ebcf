// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an error proposes to type next can help: no option that is there already, no queue that the
//! interface has not, no command that its driver does not know; and what was meant by a word that
//! is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Cmd, HELPER, Lab, SOON};
use xsk_tests::proto::WarningKind;

fn run(lab: &Lab, options: &[&str], netdev: &str) -> Cmd {
    lab.client("run").args(options).args(["--", "echo", "started", "-netdev", netdev])
}

/// The error of `run`, which acquires nothing.
fn error(lab: &Lab, options: &[&str], netdev: &str) -> String {
    let done = run(lab, options, netdev).run(SOON).exits(125);
    assert_eq!(done.stdout, "");
    done.stderr
}

fn backend(lab: &Lab, options: &[&str], netdev: &str) -> String {
    let cmd = lab.user_cmd("xsk-backend").args([
        "--helper",
        HELPER,
        "--peer",
        "discard",
        "--seconds",
        "0.1",
    ]);
    cmd.args(options).args(["--netdev", netdev]).run(SOON).stderr
}

#[test]
fn a_busy_queue_has_another_one_in_its_place_only_where_there_is_one() {
    let lab = lab!();
    let veth = lab.veth(3);
    let policy = |queues: &str| {
        lab.policy(&format!(
            "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n{queues}",
            lab.user.uid
        ));
    };
    policy("");
    let (wire, helper) = lab.exec(&lab.user);
    let held = wire.get(&veth.ifname, 0, 1).unwrap();
    let said = error(&lab, &[], "af-xdp,id=n0,ifname=eth1");
    let hint = "hint: ask for a queue that is free: start-queue=1; or wait for it with --wait\n";
    assert!(said.contains(hint), "{said}");
    let two = error(&lab, &[], "af-xdp,id=n0,ifname=eth1,queues=2");
    assert!(two.contains("start-queue=1; or"), "{two}");
    // The wait is over.
    let waited = error(&lab, &["--wait=0.1"], "af-xdp,id=n0,ifname=eth1");
    assert!(waited.contains("start-queue=1\n") && !waited.contains("--wait"), "{waited}");
    let none = error(&lab, &[], "af-xdp,id=n0,ifname=eth1,queues=3");
    assert!(none.contains("hint: no other queue is free: end one of the leases"), "{none}");
    policy("queues = \"0-1\"\nconfine = \"device\"\n");
    let two = error(&lab, &[], "af-xdp,id=n0,ifname=eth1,queues=2");
    assert!(two.contains("no other queue is free"), "not by the rule: {two}");
    let ours = backend(&lab, &[], "af-xdp,ifname=eth1");
    assert!(ours.contains("start-queue=1; or wait for it with --wait"), "{ours}");
    drop((wire, held, helper));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_veth_is_not_told_of_combined_channels() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow("*");
    let said = error(&lab, &[], "af-xdp,id=n0,ifname=eth1,queues=3");
    assert!(said.contains("eth1 has 2 queues (0 to 1); asked for were 0 to 2"), "{said}");
    assert!(said.contains("hint: ask for 2 at most: queues=all takes all of them\n"), "{said}");
    lab.cmd("ethtool").words("-L eth1 rx 1 tx 1").run(SOON).ok();
    let said = error(&lab, &[], "af-xdp,id=n0,ifname=eth1,queues=2");
    let hint = "hint: ask for fewer, or as root give it more: ethtool -L eth1 rx 2\n";
    assert!(said.contains(hint), "{said}");
    lab.cmd("ethtool").words("-L eth1 rx 2").run(SOON).ok();
    run(&lab, &[], "af-xdp,id=n0,ifname=eth1,queues=2").run(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

/// The key, and the rule that it is missing in.
#[test]
fn a_rule_that_refuses_is_named_with_what_it_would_have_to_say() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    let rules = |shared: [bool; 2]| {
        let rule = |uid: u32, shared: bool| {
            format!(
                "[[allow]]\nusers = [{uid}]\ninterfaces = [\"*\"]\nallmulti = false\nshared = {shared}\n"
            )
        };
        lab.policy(&(rule(lab.user.uid, shared[0]) + &rule(other.uid, shared[1])));
    };
    rules([false, false]);
    let promisc = error(&lab, &["--promisc"], "af-xdp,id=n0,ifname=eth1");
    assert!(
        promisc.contains(
            "hint: the administrator can set promisc = true in /etc/xsk-helper/policy.toml:1\n"
        ),
        "{promisc}"
    );
    let busy = error(&lab, &["--busy-poll"], "af-xdp,id=n0,ifname=eth1");
    assert!(
        busy.contains(
            "hint: the administrator can set busy_poll = true in /etc/xsk-helper/policy.toml:1\n"
        ),
        "{busy}"
    );
    for shared in [[false, false], [true, false], [false, true]] {
        rules(shared);
        let (wire, helper) = lab.exec(&other);
        let held = wire.get(&veth.ifname, 0, 1).unwrap();
        let said = error(&lab, &[], "af-xdp,id=n0,ifname=eth1,start-queue=1");
        let hint = "hint: the administrator can set shared = true in both rules";
        assert!(said.contains(hint), "{shared:?}: {said}");
        drop((wire, held, helper));
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn a_word_that_is_wrong_is_met_before_anything_is_acquired() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let cases = [
        ("af-xdp,id=n0,ifname=eth1,queue=2", "Invalid parameter 'queue'", "queues"),
        ("af-xdp,id=n0,ifname=eth1,start-queu=1", "Invalid parameter 'start-queu'", "start-queue"),
        (
            "{\"type\":\"af-xdp\",\"id\":\"n0\",\"ifname\":\"eth1\",\"forcecopy\":true}",
            "Parameter 'forcecopy' is unexpected",
            "force-copy",
        ),
        (
            "af-xdp,id=n0,ifname=eth1,mode=natve",
            "Parameter 'mode' does not accept value 'natve'",
            "native",
        ),
    ];
    for (netdev, sentence, meant) in cases {
        let hint = format!("hint: did you mean {meant}?\n");
        for said in [error(&lab, &[], netdev), backend(&lab, &[], netdev)] {
            assert!(said.contains(sentence) && said.contains(&hint), "{netdev}: {said}");
        }
        let acquired =
            lab.client("run").args(["--acquire", netdev, "--", "true"]).run(SOON).exits(125);
        assert!(acquired.stderr.contains(&hint), "{netdev}: {acquired:?}");
    }
    let syntax = "hint: af-xdp,id=ID,ifname=INTERFACE[,mode=native|skb][,queues=N|all]";
    for netdev in ["af-xdp,id=n0", "af-xdp,id=n0,ifname=eth1,queues=many"] {
        let said = error(&lab, &[], netdev);
        assert!(said.contains(syntax), "{netdev}: {said}");
    }
    // A word that is like no other may be a newer QEMU's.
    let newer = run(&lab, &[], "af-xdp,id=n0,ifname=eth1,future=on").run(SOON).ok();
    assert!(newer.stdout.contains("future=on"), "{newer:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

/// Whoever can list the interfaces is told what is wrong with a name; the helper tells nobody.
#[test]
fn an_unknown_interface_and_another_name_of_one_are_looked_up() {
    let lab = lab!();
    lab.veth(1);
    ip(&["link", "property", "add", "dev", "eth1", "altname", "uplink0"]);
    for policy in ["*", "eth1"] {
        lab.allow(policy);
        for (name, sentence, hint) in [
            (
                "eht1",
                "there is no interface 'eht1'",
                "hint: did you mean eth1? All of this network",
            ),
            (
                "frob7",
                "there is no interface 'frob7'",
                "hint: list the interfaces of this network namespace",
            ),
            (
                "uplink0",
                "'uplink0' is another name of eth1, and only the first one is taken",
                "hint: ifname=eth1\n",
            ),
        ] {
            let netdev = format!("af-xdp,id=n0,ifname={name}");
            for said in [error(&lab, &[], &netdev), backend(&lab, &[], &netdev)] {
                assert!(said.contains(sentence) && said.contains(hint), "{policy} {name}: {said}");
            }
        }
    }
    // One that is there and not allowed is the policy's alone.
    lab.allow("eth7");
    let said = error(&lab, &[], "af-xdp,id=n0,ifname=eth1");
    assert!(said.contains("the policy does not allow uid"), "{said}");
    lab.no_helpers_but(&[]);
}

/// No other program than the installed helper is ever to be setuid.
#[test]
fn no_other_file_is_to_be_made_setuid() {
    let lab = lab!();
    lab.veth(1);
    let copy = lab.path("not-the-helper");
    std::fs::copy("/bin/true", &copy).unwrap();
    let run = lab.user_cmd("xsk-client").args(["run", "--helper"]).arg(&copy);
    let said =
        run.args(["--", "echo", "-netdev", "af-xdp,id=n0,ifname=eth1"]).run(SOON).exits(125).stderr;
    assert!(said.contains("has no privileges") && !said.contains("chmod"), "{said}");
    assert!(said.contains("--helper /usr/libexec/xsk-helper"), "{said}");
    let doctor = lab.user_cmd("xsk-client").args(["doctor", "--helper"]).arg(&copy).run(SOON);
    assert!(!doctor.stdout.contains("chmod 4750 /run"), "{doctor:?}");
}

/// A helper that takes a connection and says nothing.
fn silent(lab: &Lab) -> (std::path::PathBuf, OwnedFd) {
    let path = lab.path("silent");
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    bind(socket.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&socket, Backlog::new(4).unwrap()).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    (path, socket)
}

#[test]
fn a_silent_helper_is_spoken_of_after_a_second_unless_that_is_to_be_quiet() {
    let lab = lab!();
    lab.veth(1);
    let (path, _listening) = silent(&lab);
    let start = |words: &str| lab.user_cmd("xsk-client").words(words).arg("--socket").arg(&path);
    let acquire = ["--acquire", "af-xdp,id=n0,ifname=eth1", "--", "true"];
    let waits = [start("run").args(acquire), start("status")];
    for mut running in waits.map(Cmd::start) {
        running.says("xsk-client: waiting for the helper's answer\n", SOON);
        running.kill();
    }
    // It ends by itself, with the error alone.
    let done = start("-q run").args(acquire).run(Duration::from_secs(60)).exits(125);
    assert!(
        done.stderr.starts_with("xsk-client: the helper behind")
            && !done.stderr.contains("waiting"),
        "{done:?}"
    );
}

#[test]
fn quiet_is_without_warnings_and_with_errors() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.give_address(&veth);
    lab.allow(&veth.ifname);
    let netdev = "af-xdp,id=n0,ifname=eth1";
    assert!(run(&lab, &[], netdev).run(SOON).ok().stderr.contains("warning: "));
    assert_eq!(run(&lab, &["--quiet"], netdev).run(SOON).ok().stderr, "");
    assert!(backend(&lab, &[], netdev).contains("warning: "));
    assert_eq!(backend(&lab, &["-q"], netdev), "");
    assert!(
        error(&lab, &["-q"], "af-xdp,id=n0,ifname=eth7").contains("there is no interface 'eth7'")
    );
    lab.nothing_left(&veth.ifname, &[]);
}

/// What a kernel lacks is the same at each start: `doctor` has it, and not `run`.
#[test]
fn what_the_kernel_lacks_is_not_said_on_each_start() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap().granted;
    drop((wire, helper));
    lab.nothing_left(&veth.ifname, &[]);
    let said = run(&lab, &[], "af-xdp,id=n0,ifname=eth1").run(SOON).ok().stderr;
    assert!(!said.contains("this kernel"), "{said}");
    let doctor = lab.client("doctor").arg("eth1").run(SOON).stdout;
    if grant.confinement.queue {
        assert!(doctor.contains("sockets are confined to their queues"), "{doctor}");
    } else {
        assert!(
            grant.warnings.iter().any(|warning| warning.kind == WarningKind::NoQueueConfinement)
        );
        assert!(doctor.contains("not to their queues"), "{doctor}");
    }
    lab.nothing_left(&veth.ifname, &[]);
}
