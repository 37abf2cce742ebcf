// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every way in, and what the kernel says about the helper at each stage: the same is left of it in
//! every way. A conversation that has reached its greeting shows the stage before the grant.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use caps::{CapSet, Capability};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::User as Account;
use xsk_tests::lab;
use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::{
    Cmd, HELPER, INSTALLED, Lab, Running, SERVICE, SERVICE_CAPS, SOCKET, SOON, Veth, Wire, wire,
};
use xsk_tests::proto::{Code, EventKind, Reply, Request, Revoke, codec};
use xsk_tests::skip;

/// The recipe of docs/operations.md.
const FILE_CAPS: &str = "cap_bpf,cap_net_admin,cap_net_raw,cap_setuid,cap_setgid,cap_setpcap+ep";

/// How a way in leaves its traces.
struct Way<'a> {
    name: &'a str,
    /// Processes of the lab's helper that do not serve the connection.
    others: Vec<u32>,
    /// It was started by somebody who is to be rid of it: a session of its own.
    own_session: bool,
    /// The stream that its manager gave it for the log, which it has where there is no journal.
    log: Option<String>,
    /// The bounding set that its manager gave it, where it has no right to empty it.
    bounding: u64,
}

impl<'a> Way<'a> {
    /// Started by the user, over a connection of his own.
    fn of_the_user(name: &'a str) -> Self {
        Self { name, others: vec![], own_session: true, log: None, bounding: 0 }
    }

    /// Started by this one, who accepted the connection.
    fn by(name: &'a str, manager: u32) -> Self {
        let stream = |(fd, what)| (fd == 2).then_some(what);
        let log = Process::new(manager).fds().into_iter().find_map(stream);
        Self { name, others: vec![manager], own_session: true, log, bounding: 0 }
    }
}

fn set(caps: &[Capability]) -> u64 {
    caps.iter().fold(0, |set, cap| set | cap.bitmask())
}

/// What every way in has to end in: before the grant, after it, and nothing at the end.
fn goes_through(lab: &Lab, veth: &Veth, way: &Way<'_>, wire: Wire) {
    let name = way.name;
    wire.greet();
    let alone = || lab.keepers(&way.others).try_into().ok();
    let [helper]: [Process; 1] = lab::wait_for(SOON, "the serving process to be alone", alone);
    let kept = Caps { permitted: set(&SERVICE_CAPS), bounding: way.bounding, ..Caps::NONE };
    is_isolated(lab, helper, way, "before the grant", kept);
    let grant = wire
        .ask(wire::acquire(&veth.ifname, 0, 1))
        .unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
    assert_eq!(grant.granted.keeper, helper.pid, "{name}");
    let keeper = helper.settled();
    is_isolated(lab, keeper, way, "keeper", Caps { bounding: way.bounding, ..Caps::NONE });
    has_nothing_of_others(keeper, way);
    assert!(lab.xdp(&veth.ifname).is_some(), "{name}");
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &way.others);
}

fn is_isolated(lab: &Lab, process: Process, way: &Way<'_>, stage: &str, expected: Caps) {
    let at = format!("{}, {stage}", way.name);
    let service = Account::from_name(SERVICE).unwrap().unwrap();
    let (uid, gid) = (service.uid.as_raw(), service.gid.as_raw());
    assert_eq!(process.caps(), expected, "{at}");
    assert_eq!(process.uids(), [uid; 4], "{at}");
    let gids = process.status("Gid");
    assert!(gids.split_whitespace().all(|id| id.parse() == Ok(gid)), "{at}: {gids}");
    let groups = process.status("Groups");
    assert!(groups.split_whitespace().all(|id| id.parse() == Ok(gid)), "{at}: {groups}");
    for (field, value) in
        [("NoNewPrivs", "1"), ("Umask", "0077"), ("Threads", "1"), ("TracerPid", "0")]
    {
        assert_eq!(process.status(field), value, "{at}: {field}");
    }
    let root = Path::new("/proc").join(process.pid.to_string());
    assert_eq!(fs::read_link(root.join("cwd")).unwrap(), Path::new("/"), "{at}");
    // The kernel gives the files of a process that is not dumpable to root.
    assert_eq!(fs::metadata(root.join("mem")).unwrap().uid(), 0, "{at}: dumpable");
    let done = lab.cmd("cat").ids(uid, gid, &[]).arg(root.join("mem")).run(SOON);
    done.exits(1).err_has("Permission denied");
    if way.own_session {
        assert_eq!(process.session(), process.pid, "{at}");
    }
    lab::say_figure(&format!("{at}: {}", sets(process)));
}

fn sets(process: Process) -> String {
    let line = |name| format!("{name} {}", process.status(name));
    ["CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd", "Seccomp"].map(line).join(", ")
}

/// Streams to nowhere, and no descriptor that the helper has not made itself.
fn has_nothing_of_others(keeper: Process, way: &Way<'_>) {
    assert_eq!(keeper.status("Seccomp"), "2");
    let log = way.log.as_deref();
    let fds = keeper.fds();
    for (fd, what) in &fds {
        let own = ["socket:", "anon_inode:", "/run/xsk-helper/leases/", "/run/xsk-helper/bpf"];
        let expected = match fd {
            0 => what == "/dev/null" || what.starts_with("socket:"),
            1 | 2 => what == "/dev/null",
            _ => own.iter().any(|start| what.starts_with(start)) || log == Some(what),
        };
        assert!(expected, "{}: descriptor {fd} is {what}", way.name);
    }
    lab::say_figure(&format!("{}: {fds:?}", way.name));
}

/// A pair of sockets for an exec run by the lab's user, with stray descriptors for it to lose.
fn start(lab: &Lab, cmd: Cmd) -> (Wire, Running) {
    let (ours, theirs) = wire::pair(&lab.user);
    let stray = OwnedFd::from(fs::File::open("/etc/hostname").unwrap());
    (ours, cmd.stdin(theirs).inherit(stray).start())
}

#[test]
fn setuid() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_helper(0o4750);
    let (wire, run) = start(&lab, lab.bare(&lab.user));
    let way = Way::of_the_user("setuid");
    goes_through(&lab, &veth, &way, wire);
    run.finish(SOON).ok();
}

#[test]
fn file_capabilities() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_helper_with(FILE_CAPS);
    let refusal = |cmd: Cmd| {
        let (wire, run) = start(&lab, cmd);
        let hello = codec::encode_request(&Request::Hello(Default::default())).unwrap();
        let _ = wire.send(&hello);
        let refused = wire.refusal();
        run.finish(SOON);
        refused
    };
    let refused = refusal(lab.bare(&lab.user));
    assert_eq!(refused.code, Code::NotInstalled, "{refused:?}");
    assert!(refused.hint.contains("xsk-helper reap"), "{refused:?}");
    lab.cmd("xsk-helper").arg("reap").run(SOON).ok();
    let (wire, run) = start(&lab, lab.bare(&lab.user));
    let way = Way::of_the_user("file capabilities");
    goes_through(&lab, &veth, &way, wire);
    run.finish(SOON).ok();
    // Less is not enough, and is said.
    lab.install_helper_with("cap_bpf,cap_net_admin,cap_net_raw+ep");
    let refused = refusal(lab.bare(&lab.user));
    assert!(refused.hint.contains("CAP_SETUID"), "{refused:?}");
    lab.install_helper_with("cap_bpf,cap_setuid,cap_setgid,cap_setpcap+ep");
    let refused = refusal(lab.bare(&lab.user));
    assert!(refused.message.contains("CAP_NET_ADMIN"), "{refused:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn sudo() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    if let Err(why) = lab.sudo() {
        skip!("{why}");
    }
    let (wire, run) = start(&lab, lab.user_cmd("sudo").args(["-n", INSTALLED]));
    let way = Way::of_the_user("sudo");
    goes_through(&lab, &veth, &way, wire);
    run.finish(SOON).ok();
}

/// With `use_pty`, Debian's default, sudo puts a terminal of its own between where its user has
/// one.
#[test]
fn sudo_from_a_terminal() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    if let Err(why) = lab.sudo() {
        skip!("{why}");
    }
    let (wire, theirs) = wire::pair(&lab.user);
    let line = format!("sudo -n {INSTALLED} <&{}", theirs.as_raw_fd());
    let run = lab
        .user_cmd("script")
        .env("SHELL", "/bin/bash")
        .args(["-qec", &line, "/dev/null"])
        .inherit(theirs)
        .start();
    let way = Way::of_the_user("sudo from a terminal");
    goes_through(&lab, &veth, &way, wire);
    run.finish(SOON).ok();
}

/// The recipe of docs/operations.md, whole; sudo's rule is for no arguments and for nobody else.
#[test]
fn sudo_by_the_client() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    if let Err(why) = lab.sudo() {
        skip!("{why}");
    }
    let script = lab.script("by-sudo", &format!("#!/bin/sh\nexec sudo -n {INSTALLED}\n"));
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let run = || {
        let cmd = lab.cmd("xsk-client").args(["run", "--helper"]).arg(&script);
        cmd.args(["--acquire", &netdev, "--", "printenv", "XSK_NETDEV_n0"])
    };
    assert!(run().user(&lab.user).run(SOON).ok().stdout.contains("sock-fds="));
    lab.nothing_left(&veth.ifname, &[]);
    let stranger = lab.another_user();
    assert!(!run().user(&stranger).run(SOON).status.success());
    let done = lab.user_cmd("sudo").args(["-n", INSTALLED, "reap"]).run(SOON);
    assert!(!done.status.success(), "{done:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn pkexec() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    let _polkit = match lab.polkit() {
        Ok(polkit) => polkit,
        Err(why) => skip!("{why}"),
    };
    let (wire, run) = start(&lab, lab.user_cmd("pkexec").arg(INSTALLED));
    let way = Way::of_the_user("pkexec");
    goes_through(&lab, &veth, &way, wire);
    run.finish(SOON).ok();
}

/// The whole way that a desktop's user goes; and without a rule of polkit's nobody gets as far as
/// the helper.
#[test]
fn pkexec_by_the_client() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    let _polkit = match lab.polkit() {
        Ok(polkit) => polkit,
        Err(why) => skip!("{why}"),
    };
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let run = || {
        lab.cmd("xsk-client").args([
            "run",
            "--pkexec",
            "--acquire",
            &netdev,
            "--",
            "printenv",
            "XSK_NETDEV_n0",
        ])
    };
    let done = run().user(&lab.user).run(SOON).ok();
    assert!(done.stdout.contains("sock-fds="), "{done:?}");
    lab.nothing_left(&veth.ifname, &[]);
    let stranger = lab.another_user();
    let done = run().user(&stranger).run(SOON);
    assert!(!done.status.success() && done.stdout.is_empty(), "{done:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn accept_yes() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let activated = match lab.activate() {
        Ok(activated) => activated,
        Err(why) => skip!("{why}"),
    };
    // systemd gives each service a session of its own; this stand-in does not.
    let manager = Way::by("Accept=yes", activated.activator.pid());
    let way = Way { own_session: false, bounding: set(&activated.caps), ..manager };
    goes_through(&lab, &veth, &way, lab.wire());
    drop(activated);
}

#[test]
fn listen() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let input = OwnedFd::from(fs::File::open("/etc/hostname").unwrap());
    let listener =
        lab.cmd("xsk-helper").args(["listen", "--socket", SOCKET, "--socket-mode", "0666"]);
    let mut listener = listener.stdin(input).start();
    listener.says("listening on", SOON);
    goes_through(&lab, &veth, &Way::by("listen", listener.pid()), lab.wire());
}

/// Whoever wrote to a pipe that its user never empties would stand still, with the locks that
/// others wait for. A setuid run has no stream of its own to log to: what it does would otherwise
/// be seen nowhere.
#[test]
fn without_journald_a_setuid_run_logs_to_syslog() {
    let lab = lab!();
    let syslog = lab.syslog();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, run) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let (uid, lease) = (lab.user.uid, grant.granted.lease);
    let line = syslog.line(": grant ");
    let begins = format!("<85>xsk-helper: grant uid={uid} ");
    assert!(line.starts_with(&begins) && line.contains(&format!("lease={lease}")), "{line}");
    drop((wire, grant));
    let line = syslog.line(": end ");
    assert!(line.starts_with("<85>") && line.contains(&format!("lease={lease}")), "{line}");
    run.finish(SOON).ok();
    let (refused, run) = lab.exec(&lab.user);
    refused.is_refused("other", 0, 1, Code::NotAllowed);
    let line = syslog.line(": refuse ");
    assert!(line.starts_with(&format!("<84>xsk-helper: refuse uid={uid} ")), "{line}");
    drop((refused, run));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_standard_error_that_nobody_reads_holds_nothing_up() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o4750);
    let run = |line: &str| {
        let (wire, theirs) = wire::pair(&lab.user);
        let (reader, full) = full_pipe();
        let line = format!("exec {line} 2>&{}", full.as_raw_fd());
        (wire, reader, lab.user_cmd("bash").args(["-c", &line]).inherit(full).stdin(theirs).start())
    };
    let mut lines = vec![INSTALLED.to_owned()];
    match lab.sudo() {
        Ok(()) => lines.push(format!("sudo -n {INSTALLED}")),
        Err(why) => lab::say_skipped(&why),
    }
    for line in lines {
        let (wire, _reader, helper) = run(&line);
        wire.is_refused("eth9", 0, 1, Code::NotAllowed);
        let grant = wire.ask(wire::acquire(&veth.ifname, 0, 1)).unwrap();
        helper.finish(SOON).ok();
        let keeper = Process::new(grant.granted.keeper).settled();
        has_nothing_of_others(keeper, &Way::of_the_user(&line));
        drop((wire, grant));
        lab.nothing_left(&veth.ifname, &[]);
    }
    // Nor does a sentence that has to be said there.
    let (reader, full) = full_pipe();
    let line = format!("exec {INSTALLED} --help 2>&{}", full.as_raw_fd());
    let helper = lab.user_cmd("bash").args(["-c", &line]).inherit(full).start();
    assert!(!helper.finish(SOON).status.success());
    drop(reader);
}

/// All processes of a listener share its stream.
#[test]
fn a_log_that_nobody_reads_holds_no_lease_up() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_helper(0o4750);
    let (reader, full) = full_pipe();
    nix::unistd::read(&reader, &mut [0; 4096]).unwrap();
    let line = format!(
        "exec {HELPER} listen --socket {SOCKET} --socket-mode 0666 2>&{}",
        full.as_raw_fd()
    );
    let listener = lab.cmd("bash").args(["-c", &line]).inherit(full).start();
    for _ in 0..100 {
        lab.wire().is_refused("eth9", 0, 1, Code::NotAllowed);
    }
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    lab.cmd(HELPER).args(["revoke", &veth.ifname]).run(SOON).ok();
    wire.tells(EventKind::Revoked);
    assert!(wire.ends(SOON));
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    drop(reader);
}

fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    while nix::unistd::write(&writer, b"x").is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (reader, writer)
}

/// How a test ends a lease.
type End = fn(&Lab, &Veth, &Wire, Process);

/// A keeper that made a call which its list does not have would be killed before it says that the
/// lease is over.
#[test]
fn a_keeper_does_all_of_its_work_under_its_list() {
    let lab = lab!();
    lab.allow("*");
    let listener = lab.listen();
    let ends: [(&str, End); 4] = [
        ("interface-gone", remove_the_interface),
        ("revoked", revoke),
        ("too-many-messages", talk),
        ("closed", close_while_the_interface_is_locked),
    ];
    for (reason, end) in ends {
        let veth = lab.veth(2);
        let wire = lab.wire();
        let grant = wire.get(&veth.ifname, 0, 2).unwrap();
        let keeper = Process::new(grant.granted.keeper).settled();
        end(&lab, &veth, &wire, keeper);
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
        let lease = format!("lease={} ", grant.granted.lease);
        let log = listener.stderr();
        let line = log.lines().find(|line| line.contains("end ") && line.contains(&lease));
        assert!(
            line.is_some_and(|line| line.contains(&format!("reason={reason}"))),
            "{reason}: {log}"
        );
    }
}

fn remove_the_interface(lab: &Lab, veth: &Veth, wire: &Wire, _: Process) {
    for state in ["down", "up"] {
        lab::link::ip(&["link", "set", &veth.ifname, state]);
        wire.event();
    }
    lab::link::ip(&["link", "del", &veth.ifname]);
    wire.tells(EventKind::InterfaceGone);
    lab::wait_until(SOON, "the interface to go", || lab.link(&veth.ifname).is_none());
}

fn revoke(_: &Lab, veth: &Veth, wire: &Wire, _: Process) {
    let root = Wire::connect(SOCKET);
    root.greet();
    root.say(&Request::Revoke(Revoke {
        ifname: veth.ifname.clone(),
        queue: Revoke::ANY,
        user: Revoke::ANY,
    }));
    assert_eq!(root.reply().0, Reply::Revoked { leases: 1 });
    wire.tells(EventKind::Revoked);
}

fn talk(_: &Lab, _: &Veth, wire: &Wire, _: Process) {
    let hello = codec::encode_request(&Request::Hello(Default::default())).unwrap();
    while wire.send(&hello).is_ok() {}
}

fn close_while_the_interface_is_locked(_: &Lab, _: &Veth, wire: &Wire, keeper: Process) {
    let lock = interface_lock(keeper);
    shutdown(wire.fd().as_raw_fd(), Shutdown::Both).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(keeper.is_live(), "it did not wait for the interface's lock");
    drop(lock);
}

/// Takes the lock of the interface whose lease this is, for as long as the file is open.
fn interface_lock(keeper: Process) -> fs::File {
    let table =
        |what: &String| what.starts_with("/run/xsk-helper/leases/") && what.ends_with("/lock");
    let path = keeper.fds().into_iter().map(|(_, what)| what).find(table).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLK(&lock)).unwrap();
    file
}

/// The policy would have the helper raise the limit. Where it cannot, everything else goes on, and
/// the client says what to do in the place of starting QEMU.
#[test]
fn memlock_without_the_capability_to_raise_it() {
    let lab = lab!();
    let veth = lab.veth(1);
    let user = lab.user.uid;
    lab.policy(&format!("[[allow]]\nusers = [{user}]\ninterfaces = [\"*\"]\nmemlock_mib = 64\n"));
    let listener = lab.listen();
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let run = lab
        .user_cmd("xsk-client")
        .args(["run", "--socket", SOCKET, "--"])
        .arg(lab.copy("/usr/bin/echo".as_ref(), "qemu-system-x86_64"))
        .args(["started", "-netdev", &netdev]);
    let done = run.rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20).run(SOON);
    if caps::has_cap(None, CapSet::Permitted, Capability::CAP_SYS_RESOURCE).unwrap() {
        assert!(done.ok().stdout.contains("started"));
    } else {
        let done = done.exits(125);
        assert!(done.stdout.is_empty(), "{done:?}");
        let done = done.err_has("32 MiB needed, 8 MiB allowed").err_has("CAP_SYS_RESOURCE");
        done.err_has("prlimit --pid $$ --memlock=67108864:67108864").err_has("memlock_mib = 64");
        assert!(listener.stderr().contains("error memlock="), "{}", listener.stderr());
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    // Who needs less is served.
    let wire = lab.wire();
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
