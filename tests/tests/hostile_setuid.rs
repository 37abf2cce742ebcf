// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user does to a setuid program that they start, lines 20 to 22 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use caps::{CapSet, Capability};
use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, HELPER, Lab, SERVICE, SERVICE_CAPS, SOON, Wire, wire};
use xsk_tests::proto::{Code, Reply, Request, codec};
use xsk_tests::skip;

/// A pair of sockets that root made.
fn pair_of_roots() -> (Wire, OwnedFd) {
    let (a, b) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    (a.into(), b)
}

#[test]
fn h20_a_user_who_stops_and_kills_his_runs_holds_nobody_up() {
    let lab = lab!();
    let veth = lab.veth(4);
    let other = lab.share();
    let mut slowest = Duration::ZERO;
    for step in 0..40u32 {
        let (wire, run) = lab.exec(&lab.user);
        let _ = wire.send(&codec::encode_request(&Request::Hello(Default::default())).unwrap());
        let ask = Request::Acquire(wire::acquire(&veth.ifname, 0, 1));
        let _ = wire.send(&codec::encode_request(&ask).unwrap());
        std::thread::sleep(Duration::from_micros(u64::from(step) * 500));
        let signal = if step % 4 == 3 { "-KILL" } else { "-STOP" };
        // By the user: once the run is beyond their reach this fails, and that is the
        // point.
        let pids: Vec<String> = lab.helpers().iter().map(|p| p.pid.to_string()).collect();
        lab.user_cmd("kill").arg(signal).args(&pids).run(SOON);
        let begin = Instant::now();
        let (second, _run) = lab.exec(&other);
        let grant = second.get(&veth.ifname, 1, 1).unwrap_or_else(|e| panic!("step {step}: {e:?}"));
        slowest = slowest.max(begin.elapsed());
        drop((second, grant, wire));
        lab.user_cmd("kill").arg("-CONT").args(&pids).run(SOON);
        drop(run);
        lab.no_helpers_but(&[]);
    }
    assert!(slowest < Duration::from_secs(3), "another user waited for {slowest:?}");
    lab::say_figure(&format!("another user waited at most {slowest:?} for his grant"));
    let (wire, _run) = lab.exec(&other);
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h20_a_user_who_freezes_his_runs_holds_nobody_up_for_long() {
    let lab = lab!();
    let veth = lab.veth(4);
    let other = lab.share();
    let freezer = match lab.freezer() {
        Ok(freezer) => freezer,
        Err(why) => skip!("{why}"),
    };
    let (mut slowest, mut busy) = (Duration::ZERO, 0);
    for step in 0..25u64 {
        let (wire, theirs) = wire::pair(&lab.user);
        let run = lab.bare_in(&freezer, &lab.user).stdin(theirs).start();
        wire.say(&Request::Hello(Default::default()));
        wire.say(&Request::Acquire(wire::acquire(&veth.ifname, 0, 1)));
        std::thread::sleep(Duration::from_millis(step * 2));
        // A group stays frozen whatever uids its processes have, so this one may be frozen with a
        // lock in its hands.
        freezer.freeze();
        let begin = Instant::now();
        let (second, _run) = lab.exec(&other);
        match second.get(&veth.ifname, 1, 1) {
            Ok(grant) => drop(grant),
            Err(refused) => {
                busy += 1;
                assert_eq!(refused.code, Code::Busy, "step {step}: {refused:?}");
            }
        }
        slowest = slowest.max(begin.elapsed());
        freezer.thaw();
        drop((second, wire));
        run.finish(SOON);
        lab.nothing_left(&veth.ifname, &[]);
    }
    assert!(slowest < Duration::from_secs(5), "another user waited for {slowest:?}");
    lab::say_figure(&format!(
        "another user waited at most {slowest:?}, and was told busy {busy} of 25 times"
    ));
}

#[test]
fn h20_environment_signals_and_alarms_change_nothing() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let grants = |change: &dyn Fn(Cmd) -> Cmd, what: &str| {
        let (wire, theirs) = wire::pair(&lab.user);
        let run = change(lab.bare(&lab.user)).stdin(theirs).start();
        let grant = wire.get(&veth.ifname, 0, 1).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        run.finish(SOON).ok();
        let keeper = Process::new(grant.granted.keeper);
        assert!(keeper.is_live());
        // SIGPIPE and SIGXFSZ alone, so that a write answers; 32 and 33 are the C library's own.
        let ignored = u64::from_str_radix(&keeper.status("SigIgn"), 16).unwrap() & !(3 << 31);
        assert_eq!(ignored, (1 << (libc::SIGPIPE - 1)) | (1 << (libc::SIGXFSZ - 1)), "{what}");
        drop((wire, grant));
        lab.nothing_left(&veth.ifname, &[]);
    };
    grants(&|c| c, "nothing");
    grants(&|c| c.ignore_signals(), "ignored signals");
    grants(&|c| c.pend_signals(), "pending signals");
    grants(&|c| c.alarm(3600), "an alarm");
    let hostile = [
        ("LD_PRELOAD", "/tmp/evil.so"),
        ("LD_LIBRARY_PATH", "/tmp"),
        ("LD_AUDIT", "/tmp/evil.so"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3"),
        ("TZ", "/etc/shadow"),
        ("RUST_BACKTRACE", "full"),
        ("RUST_LOG", "trace"),
        ("RUST_MIN_STACK", "1"),
        ("LISTEN_FDS", "3"),
        ("LISTEN_PID", "1"),
        ("NOTIFY_SOCKET", "/tmp/notify"),
        ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/tmp/bus"),
        ("LIBBPF_LOG_LEVEL", "debug"),
        ("XSK_HELPER_POLICY", "/tmp/policy.toml"),
        ("PATH", "/tmp"),
    ];
    grants(
        &|c| hostile.iter().fold(c, |c, (name, value)| c.env(name, value)),
        "a hostile environment",
    );
    for (name, value) in hostile {
        grants(&|c| c.env(name, value), name);
    }
}

#[test]
fn h20_arguments_that_no_shell_would_pass() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let long = vec![b'x'; 128 << 10];
    let long = &long[..long.len() - 1];
    type Case<'a> = (&'a str, &'a [&'a [u8]], &'a [&'a [u8]]);
    let cases: [Case<'_>; 5] = [
        ("argc 0", &[], &[]),
        ("an empty argv[0]", &[b""], &[]),
        ("an argv[0] of 128 KiB", &[long], &[]),
        ("an argv[0] that is not UTF-8", &[b"\xff\xfe"], &[]),
        (
            "an environment that is not UTF-8 and has no names",
            &[b"xsk-helper"],
            &[b"\xff=\xfe", b"=", b"no-equals-sign"],
        ),
    ];
    for (what, argv, envp) in cases {
        let (wire, theirs) = wire::pair(&lab.user);
        let run = lab.bare(&lab.user).stdin(theirs).execute(HELPER, argv, envp).start();
        let grant = wire.get(&veth.ifname, 0, 1).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        drop((wire, grant));
        run.finish(SOON).ok();
        lab.nothing_left(&veth.ifname, &[]);
    }
    // Arguments that are not UTF-8 are refused like all others.
    let run = lab.bare(&lab.user).execute(HELPER, &[b"xsk-helper", b"\xff"], &[]).run(SOON);
    assert!(!run.status.success() && !run.stderr.contains("panicked"), "{run:?}");
}

/// What becomes of a request under a tiny limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Under {
    /// The kernel or the loader may end the process before its own first instruction. If it does
    /// not, the limit is named.
    Loader,
    /// The limit is raised where that is allowed (CAP_SYS_RESOURCE), and named where it is not.
    Raised,
    /// A grant comes as without the limit.
    Unmoved,
}

#[test]
fn h20_tiny_limits_are_reset_or_named() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let limits = [
        (Resource::RLIMIT_NOFILE, 3, Under::Loader),
        (Resource::RLIMIT_NOFILE, 8, Under::Raised),
        (Resource::RLIMIT_FSIZE, 0, Under::Raised),
        (Resource::RLIMIT_AS, 64 << 20, Under::Raised),
        (Resource::RLIMIT_DATA, 0, Under::Loader),
        (Resource::RLIMIT_STACK, 64 << 10, Under::Raised),
        (Resource::RLIMIT_MEMLOCK, 0, Under::Unmoved),
        (Resource::RLIMIT_NPROC, 1, Under::Unmoved),
        (Resource::RLIMIT_CORE, 0, Under::Unmoved),
        (Resource::RLIMIT_SIGPENDING, 0, Under::Unmoved),
    ];
    let raises = caps::has_cap(None, CapSet::Bounding, Capability::CAP_SYS_RESOURCE).unwrap();
    for (resource, limit, under) in limits {
        let (wire, theirs) = wire::pair(&lab.user);
        let run = lab.bare(&lab.user).rlimit(resource, limit).stdin(theirs).start();
        wire.say(&Request::Hello(Default::default()));
        let said = wire.receive().ok().filter(|packet| !packet.bytes.is_empty());
        match (said.map(|packet| codec::decode_reply(&packet.bytes).unwrap()), under) {
            (None, Under::Loader) => {
                let done = run.finish(SOON);
                assert!(!done.status.success() && !done.stderr.contains("panicked"), "{done:?}");
            }
            (Some(Reply::Refused(refused)), Under::Loader | Under::Raised) if !raises => {
                let named = format!("{resource:?} is too small to work with");
                assert!(refused.message.contains(&named), "{refused:?}");
                assert!(refused.hint.contains("ulimit"), "{refused:?}");
            }
            (Some(Reply::Welcome { .. }), Under::Raised) if raises => {
                wire.ask(wire::acquire(&veth.ifname, 0, 1)).unwrap();
            }
            (Some(Reply::Welcome { .. }), Under::Unmoved) => {
                wire.ask(wire::acquire(&veth.ifname, 0, 1)).unwrap();
            }
            (said, _) => panic!("under {resource:?} of {limit}: {said:?}; expected was {under:?}"),
        }
        drop(wire);
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn h21_lost_privileges_have_a_sentence_each() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let refusal = |run: Cmd, wire: &Wire| {
        let run = run.start();
        let _ = wire.send(&codec::encode_request(&Request::Hello(Default::default())).unwrap());
        let refused = wire.refusal();
        assert_eq!(refused.code, Code::NotPrivileged, "{refused:?}");
        assert!(!refused.hint.is_empty(), "{refused:?}");
        run.finish(SOON);
        refused.message
    };
    let (wire, theirs) = wire::pair(&lab.user);
    let barred = refusal(lab.bare(&lab.user).no_new_privs().stdin(theirs), &wire);
    lab.install_helper(0o755);
    let (wire, theirs) = wire::pair(&lab.user);
    let bare = refusal(lab.bare(&lab.user).stdin(theirs), &wire);
    let service = nix::unistd::User::from_name(SERVICE).unwrap().unwrap();
    let (wire, theirs) = pair_of_roots();
    let short = lab
        .cmd("xsk-helper")
        .ids(service.uid.as_raw(), service.gid.as_raw(), &[])
        .ambient(&SERVICE_CAPS[..1]);
    let short = refusal(short.stdin(theirs), &wire);
    assert!(barred.contains("no_new_privs"), "{barred}");
    assert!(bare.contains("setuid"), "{bare}");
    assert!(short.contains("CAP_NET_ADMIN") && short.contains("CAP_NET_RAW"), "{short}");
    lab.nothing_left(&veth.ifname, &[]);
}

/// The user, and one with the service uid, get at nothing of this process.
fn is_out_of_reach(lab: &Lab, process: Process, stage: &str) {
    let service = nix::unistd::User::from_name(SERVICE).unwrap().unwrap();
    let users = [(lab.user.uid, lab.user.uid), (service.uid.as_raw(), service.gid.as_raw())];
    for (uid, gid) in users {
        for file in ["mem", "environ", "maps", "stack", "syscall", "io", "auxv"] {
            let path = format!("/proc/{}/{file}", process.pid);
            if fs::exists(&path).unwrap() {
                let done = lab.cmd("cat").ids(uid, gid, &[]).arg(&path).run(SOON);
                assert!(!done.status.success(), "{stage}: uid {uid} reads {path}");
            }
        }
        let fds =
            lab.cmd("ls").ids(uid, gid, &[]).arg(format!("/proc/{}/fd", process.pid)).run(SOON);
        assert!(!fds.status.success(), "{stage}: uid {uid} lists descriptors");
        let trace =
            lab.cmd("strace").ids(uid, gid, &[]).args(["-p", &process.pid.to_string()]).run(SOON);
        assert!(trace.stderr.contains("not permitted"), "{stage}: {trace:?}");
    }
    let signal = lab.user_cmd("kill").args(["-SEGV", &process.pid.to_string()]).run(SOON);
    assert!(!signal.status.success(), "{stage}: the user may make it dump core");
    assert!(process.is_live(), "{stage}");
}

#[test]
fn h22_no_trace_no_memory_no_core_at_any_stage() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let (wire, _run) = lab.exec(&lab.user);
    wire.greet();
    let forked_off = || (lab.helpers().len() == 1).then(|| lab.helpers());
    let serving = lab::wait_for(SOON, "the first process to end", forked_off);
    is_out_of_reach(&lab, serving[0], "before the request");
    let grant = wire.ask(wire::acquire(&veth.ifname, 0, 1)).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    is_out_of_reach(&lab, keeper, "after the grant");
    // A core dump would need a dumpable process, even where root asks for one.
    keeper.signal(Signal::SIGSEGV);
    lab.no_helpers_but(&[]);
    assert!(!fs::exists("/core").unwrap());
    drop((wire, grant));
    let (wire, _run) = lab.exec(&lab.user);
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
}
