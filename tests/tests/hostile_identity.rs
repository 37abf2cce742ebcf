// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks, and what the policy may be, lines 15 to 22 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, HELPER, Lab, POLICY, SERVICE, SERVICE_CAPS, SOCKET, SOON, User, Veth, Wire, wire};
use xsk_tests::proto::{Code, Refused, Reply, Request, Revoke};
use xsk_tests::skip;

/// A pair of sockets that root made.
fn pair_of_roots() -> (Wire, OwnedFd) {
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    (a.into(), b)
}

/// What the helper answers to a request for the first queue, over a setuid run.
fn asked(lab: &Lab, ifname: &str) -> Result<wire::Grant, Refused> {
    let (wire, _helper) = lab.exec(&lab.user);
    wire.get(ifname, 0, 1)
}

#[test]
fn h15_without_a_rule_an_interface_that_exists_answers_like_one_that_does_not() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.policy("[[allow]]\nusers = [0]\ninterfaces = [\"*\"]\n");
    let listener = lab.listen();
    let answer = |name: &str, first, queues| {
        let refused = lab.wire().is_refused(name, first, queues, Code::NotAllowed);
        format!("{refused:?}").replace(name, "NAME")
    };
    let there = answer(&veth.ifname, 0, 1);
    assert_eq!(there, answer("eth9", 0, 1));
    assert_eq!(there, answer("veth9999", 0, 1));
    // Not even the number of queues shows.
    assert_eq!(answer(&veth.ifname, 60, 1), answer("eth9", 60, 1));
    lab::link::ip(&["link", "property", "add", "dev", &veth.ifname, "altname", "alt1"]);
    assert_eq!(there, answer("alt1", 0, 1));
    let check = |name: &str| {
        let wire = lab.wire();
        wire.greet();
        wire.say(&Request::Check(wire::acquire(name, 0, 1)));
        format!("{:?}", wire.refusal()).replace(name, "NAME")
    };
    assert_eq!(check(&veth.ifname), check("eth9"));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h16_a_connection_has_the_rights_of_who_made_it() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    // Made by somebody without a rule, used by root (this process), after its maker's thread is gone.
    let wire = Wire::connect_as(SOCKET, &other);
    wire.is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    drop(wire);
    // Made by the user, used by somebody else: the grant is the user's.
    let wire = lab.wire();
    let grant = wire::with_credentials(&other, || wire.get(&veth.ifname, 0, 1)).unwrap();
    let leases = Wire::connect(SOCKET).status().leases;
    assert_eq!(leases.iter().map(|l| l.uid).collect::<Vec<_>>(), [lab.user.uid]);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h16_a_setuid_run_over_somebody_elses_socketpair_is_refused() {
    let lab = lab!();
    let veth = lab.veth(1);
    let other = lab.another_user();
    lab.policy(&format!("[[allow]]\nusers = [0, {}, {}]\ninterfaces = [\"*\"]\n", lab.user.uid, other.uid));
    for (ours, theirs) in [pair_of_roots(), wire::pair(&other)] {
        let helper = lab.bare(&lab.user).stdin(theirs).start();
        ours.say(&Request::Hello(xsk_tests::proto::Hello::default()));
        let refused = ours.refusal();
        assert_eq!(refused.code, Code::Identity, "{refused:?}");
        assert!(ours.ends(SOON));
        helper.finish(SOON);
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h16_standard_input_that_is_no_connection() {
    let lab = lab!();
    for input in ["/dev/null", "/etc/passwd"] {
        let file = OwnedFd::from(fs::File::open(input).unwrap());
        let done = lab.bare(&lab.user).stdin(file).run(SOON);
        assert!(!done.status.success() && !done.stderr.is_empty(), "{input}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{done:?}");
    }
    lab.no_helpers_but(&[]);
}

#[test]
fn h16_arguments_are_for_root_and_the_service_user() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    for args in
        [&["listen", "--socket", "/tmp/x"][..], &["reap"], &["revoke"], &["--help"], &["\u{1}"], &[""]]
    {
        let done = lab.bare(&lab.user).args(args).run(SOON);
        assert!(!done.status.success(), "{args:?}: {done:?}");
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{args:?}: {done:?}");
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h17_uids_are_unsigned() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (high, groups) = (3_000_000_000u32, lab.user.groups.clone());
    lab.policy(&format!("[[allow]]\nusers = [{high}]\ninterfaces = [\"*\"]\n"));
    let ids = User::with_uid(high, groups);
    let (wire, _helper) = lab.exec(&ids);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
    for number in ["-1", "4294967295", "4294967296", "-2"] {
        for kind in ["allow", "deny"] {
            lab.policy(&format!(
                "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n[[{kind}]]\nusers = [{number}]\ninterfaces = [\"*\"]\n",
                lab.user.uid
            ));
            let refused =
                asked(&lab, &veth.ifname).expect_err("a policy with an impossible uid was accepted");
            assert_eq!(refused.code, Code::Policy, "{refused:?}");
        }
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h18_revoking_somebody_elses_lease_is_denied() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    lab.policy(&format!("[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\n", lab.user.uid, other.uid));
    let listener = lab.listen();
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let revoke = |user: &User, whose: u32| {
        let wire = Wire::connect_as(SOCKET, user);
        wire.greet();
        wire.say(&Request::Revoke(Revoke { ifname: veth.ifname.clone(), queue: Revoke::ANY, user: whose }));
        wire.reply().0
    };
    match revoke(&other, lab.user.uid) {
        Reply::Refused(refused) => assert_eq!(refused.code, Code::NotAllowed, "{refused:?}"),
        reply => panic!("{reply:?}"),
    }
    match revoke(&other, Revoke::ANY) {
        Reply::Refused(refused) => assert_eq!(refused.code, Code::NotAllowed, "{refused:?}"),
        reply => assert_eq!(reply, Reply::Revoked { leases: 0 }),
    }
    assert!(!wire.readable(Duration::from_millis(200)), "the lease was touched");
    // A user sees his own leases only.
    let seen = Wire::connect_as(SOCKET, &other).status();
    assert!(seen.leases.is_empty() && seen.interfaces.is_empty(), "{seen:?}");
    assert_eq!(lab.wire().status().leases.len(), 1);
    assert_eq!(revoke(&lab.user, Revoke::ANY), Reply::Revoked { leases: 1 });
    assert!(wire.ends(SOON));
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// Every setuid run is refused because of the policy, and the refusal names `path`.
fn policy_is_refused(lab: &Lab, veth: &Veth, path: &str) {
    let refused = asked(lab, &veth.ifname).expect_err("a policy that cannot be trusted was accepted");
    assert_eq!(refused.code, Code::Policy, "{path}: {refused:?}");
    let said = format!("{} {} {}", refused.object, refused.message, refused.hint);
    assert!(said.contains(path), "{path} is not named: {refused:?}");
}

fn rule(lab: &Lab) -> String {
    format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid)
}

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn h19_a_policy_file_that_others_can_write_or_own() {
    let lab = lab!();
    let veth = lab.veth(1);
    for bits in [0o666, 0o664, 0o646, 0o4622] {
        lab.policy(&rule(&lab));
        mode(POLICY, bits);
        policy_is_refused(&lab, &veth, POLICY);
    }
    lab.policy(&rule(&lab));
    chown(POLICY, Some(lab.user.uid), None).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    chown(POLICY, Some(0), None).unwrap();
    for bits in [0o777, 0o775, 0o757] {
        mode("/etc/xsk-helper", bits);
        policy_is_refused(&lab, &veth, "/etc/xsk-helper");
    }
    mode("/etc/xsk-helper", 0o755);
    chown("/etc/xsk-helper", Some(lab.user.uid), None).unwrap();
    policy_is_refused(&lab, &veth, "/etc/xsk-helper");
    chown("/etc/xsk-helper", Some(0), None).unwrap();
    drop(asked(&lab, &veth.ifname).unwrap());
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_a_policy_that_is_no_plain_file() {
    let lab = lab!();
    let veth = lab.veth(1);
    let text = rule(&lab);
    fs::write("/etc/xsk-helper/real.toml", &text).unwrap();
    symlink("/etc/xsk-helper/real.toml", POLICY).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    fs::remove_file(POLICY).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    nix::unistd::mkfifo(POLICY, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    fs::remove_file(POLICY).unwrap();
    fs::create_dir(POLICY).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    fs::remove_dir(POLICY).unwrap();
    lab.policy(&text);
    fs::OpenOptions::new().write(true).open(POLICY).unwrap().set_len(1 << 30).unwrap();
    let begin = Instant::now();
    policy_is_refused(&lab, &veth, POLICY);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_a_policy_that_does_not_say_what_it_seems_to() {
    let lab = lab!();
    let veth = lab.veth(1);
    let rule = rule(&lab);
    for wrong in [
        format!("{rule}colour = \"red\"\n"),
        format!("{rule}[other]\na = 1\n"),
        format!("{rule}[[alow]]\nusers = [1]\n"),
        format!("{rule}users = [2]\n"),
        rule.replace("[\"*\"]", "\"*\""),
        rule.replace("\"*\"", "\"[\""),
        rule.replace("[[allow]]", "[[allow"),
        format!("{rule}# \u{0}"),
        format!("{rule}[[deny]]\nusers = [\"no-such-user-here\"]\ninterfaces = [\"x\"]\n"),
        format!("{rule}[[deny]]\ngroups = [\"no-such-group-here\"]\ninterfaces = [\"x\"]\n"),
    ] {
        lab.policy(&wrong);
        policy_is_refused(&lab, &veth, POLICY);
    }
    fs::write(POLICY, [rule.as_bytes(), b"# \xff\xfe\n"].concat()).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_an_include_that_cannot_be_read_or_trusted() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy("");
    let (dir, path) = ("/etc/xsk-helper/policy.d", "/etc/xsk-helper/policy.d/10-more.toml");
    fs::create_dir(dir).unwrap();
    mode(dir, 0o755);
    fs::write(path, rule(&lab)).unwrap();
    mode(path, 0o644);
    drop(asked(&lab, &veth.ifname).unwrap());
    mode(path, 0o666);
    policy_is_refused(&lab, &veth, path);
    fs::remove_file(path).unwrap();
    symlink("/nowhere", path).unwrap();
    policy_is_refused(&lab, &veth, path);
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    policy_is_refused(&lab, &veth, path);
    fs::remove_dir(path).unwrap();
    fs::write(path, "nonsense").unwrap();
    policy_is_refused(&lab, &veth, path);
    fs::remove_file(path).unwrap();
    mode(dir, 0o777);
    policy_is_refused(&lab, &veth, dir);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h20_a_user_who_stops_and_kills_his_runs_holds_nobody_up() {
    let lab = lab!();
    let veth = lab.veth(4);
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\nshared = true\n",
        lab.user.uid, other.uid
    ));
    let mut slowest = Duration::ZERO;
    for step in 0..40u32 {
        let (wire, run) = lab.exec(&lab.user);
        let _ =
            wire.send(&xsk_tests::proto::codec::encode_request(&Request::Hello(Default::default())).unwrap());
        let ask = Request::Acquire(wire::acquire(&veth.ifname, 0, 1));
        let _ = wire.send(&xsk_tests::proto::codec::encode_request(&ask).unwrap());
        std::thread::sleep(Duration::from_micros(u64::from(step) * 500));
        let signal = if step % 4 == 3 { "-KILL" } else { "-STOP" };
        // By the user's own hand: once the run is beyond his reach this fails, and that is the point.
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
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\nshared = true\n",
        lab.user.uid, other.uid
    ));
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
        // A group stays frozen whatever uids its processes have, so this one may be frozen with a lock in its hands.
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
        assert_eq!(ignored, 1 << (libc::SIGPIPE - 1) | 1 << (libc::SIGXFSZ - 1), "{what}");
        drop((wire, grant));
        lab.nothing_left(&veth.ifname, &[]);
    };
    grants(&|c| c, "nothing");
    grants(&|c| c.ignore_signals(), "ignored signals");
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
    grants(&|c| hostile.iter().fold(c, |c, (name, value)| c.env(name, value)), "a hostile environment");
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

#[test]
fn h20_tiny_limits_are_reset_or_named() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let limits = [
        (Resource::RLIMIT_NOFILE, 3),
        (Resource::RLIMIT_NOFILE, 8),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_AS, 64 << 20),
        (Resource::RLIMIT_DATA, 0),
        (Resource::RLIMIT_STACK, 64 << 10),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_NPROC, 1),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_SIGPENDING, 0),
    ];
    for (resource, limit) in limits {
        let (wire, theirs) = wire::pair(&lab.user);
        let Ok(run) = lab.bare(&lab.user).rlimit(resource, limit).stdin(theirs).try_start() else { continue };
        let hello = xsk_tests::proto::codec::encode_request(&Request::Hello(Default::default())).unwrap();
        let said = wire.send(&hello).and_then(|()| wire.receive());
        if said.is_ok_and(|packet| !packet.bytes.is_empty()) {
            match wire.ask(wire::acquire(&veth.ifname, 0, 1)) {
                Ok(grant) => drop(grant),
                Err(refused) => assert!(refused.message.len() > 10, "{resource:?}: {refused:?}"),
            }
            drop(wire);
        } else {
            let done = run.finish(SOON);
            assert!(!done.stderr.contains("panicked"), "{resource:?}: {done:?}");
        }
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
        let _ =
            wire.send(&xsk_tests::proto::codec::encode_request(&Request::Hello(Default::default())).unwrap());
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
        let fds = lab.cmd("ls").ids(uid, gid, &[]).arg(format!("/proc/{}/fd", process.pid)).run(SOON);
        assert!(!fds.status.success(), "{stage}: uid {uid} lists descriptors");
        let trace = lab.cmd("strace").ids(uid, gid, &[]).args(["-p", &process.pid.to_string()]).run(SOON);
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
