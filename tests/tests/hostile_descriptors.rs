// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptors: full tables, wrong replies, closed and inherited ones, lines 10 to 14 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use xsk_tests::lab;
use xsk_tests::lab::fake::{self, Fake};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{HELPER, SOCKET, SOON, User, wire};
use xsk_tests::proto::Code;

const NETDEV: &str = "af-xdp,id=n0,ifname=eth1,queues=2";

#[test]
fn h10_a_full_table_on_the_clients_side() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let (mut started, mut failed) = (0, 0);
    for limit in 3..20 {
        // The command lists what it was given; it must never start with less than everything.
        let done = lab
            .user_cmd("xsk-client")
            .args(["run", "--socket", SOCKET])
            .args([
                "--acquire",
                NETDEV,
                "--",
                "sh",
                "-c",
                "echo $XSK_NETDEV_n0; exec ls -l /proc/self/fd",
            ])
            .rlimit(Resource::RLIMIT_NOFILE, limit)
            .run(SOON);
        if done.status.code() == Some(0) {
            started += 1;
            let sockets = fake::sock_fds(&done.stdout);
            assert_eq!(sockets.len(), 2, "limit {limit}: {}", done.stdout);
            for fd in sockets {
                assert!(
                    done.stdout.contains(&format!(" {fd} -> socket:")),
                    "limit {limit}: {}",
                    done.stdout
                );
            }
        } else {
            failed += 1;
            assert!(done.stdout.is_empty(), "limit {limit}: {}", done.stdout);
            assert!(
                !done.stderr.is_empty() && !done.stderr.contains("panicked"),
                "limit {limit}: {done:?}"
            );
        }
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
    assert!(
        started > 0 && failed > 0,
        "{started} started, {failed} failed: the limits say nothing"
    );
}

#[test]
fn h10_no_descriptor_received_is_said() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let mut said = Vec::new();
    for limit in 3..14 {
        let run = lab.user_cmd("xsk-client").args([
            "run",
            "--socket",
            SOCKET,
            "--error-format=json",
            "--acquire",
            NETDEV,
            "--",
            "true",
        ]);
        said.push(run.rlimit(Resource::RLIMIT_NOFILE, limit).run(SOON).stderr);
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
    assert!(said.iter().any(|s| s.contains("no-descriptor")), "{said:#?}");
}

#[test]
fn h11_replies_with_other_descriptors_than_promised() {
    let lab = lab!();
    lab.veth(2);
    let xdp = || xsk_socket::Unbound::create().unwrap().into_fd();
    let udp = || OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    let cases: [(&str, Vec<OwnedFd>); 6] = [
        ("none", vec![]),
        ("one too few", vec![xdp()]),
        ("one too many", vec![xdp(), xdp(), xdp()]),
        ("a UDP socket", vec![xdp(), udp()]),
        ("a file", vec![file(), xdp()]),
        ("far too many", (0..250).map(|_| file()).collect()),
    ];
    for (what, sockets) in cases {
        let fake = Fake::granting(&lab, 2, sockets);
        let done = lab
            .user_cmd("xsk-client")
            .args(["run", "--error-format=json", "--socket", fake::PATH, "--acquire", NETDEV])
            .args(["--", "echo", "started"])
            .run(SOON)
            .exits(125);
        assert!(done.stdout.is_empty(), "{what}: the command was started");
        assert!(done.stderr.contains("no-descriptor"), "{what}: {}", done.stderr);
        fake.done();
    }
    let fake = Fake::granting(&lab, 2, vec![xdp(), xdp()]);
    let done = lab
        .user_cmd("xsk-client")
        .args([
            "run",
            "--socket",
            fake::PATH,
            "--acquire",
            NETDEV,
            "--",
            "sh",
            "-c",
            "echo $XSK_NETDEV_n0",
        ])
        .run(SOON)
        .ok();
    assert_eq!(fake::sock_fds(&done.stdout).len(), 2, "{}", done.stdout);
    fake.done();
}

#[test]
fn h12_the_helpers_own_table_is_full() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy(&format!("[[allow]]\nusers = [0, {}]\ninterfaces = [\"*\"]\n", lab.user.uid));
    // A setuid program loses its bit under strace, unless it is root's strace and run.
    let root = User::with_uid(0, Vec::new());
    drop(lab.bin("xsk-helper"));
    // Nothing that a client can do fills the table of a process that serves him alone; so the
    // kernel is made to say that it is full, at each call in turn that makes a descriptor.
    for (call, error) in
        [("socket", "EMFILE"), ("socket", "ENFILE"), ("bpf", "EMFILE"), ("openat", "EMFILE")]
    {
        let mut refusals = 0;
        for step in 1..12 {
            let (wire, theirs) = wire::pair(&root);
            let inject = format!("inject={call}:error={error}:when={step}");
            let run = lab
                .cmd("strace")
                .args(["-f", "-qq", "-o", "/dev/null", "-e", &inject, HELPER])
                .stdin(theirs)
                .start();
            match wire.get(&veth.ifname, 0, 1) {
                Ok(grant) => drop(grant),
                Err(refused) => {
                    refusals += 1;
                    // A call that fails once and then works again, as no full table does, may
                    // mislead libbpf; and a policy that cannot be opened is a policy that cannot be
                    // read.
                    let full = call != "socket" || refused.code == Code::Busy;
                    assert!(full && !refused.hint.is_empty(), "{inject}: {refused:?}");
                }
            }
            drop(wire);
            run.finish(SOON);
            lab.nothing_left(&veth.ifname, &[]);
        }
        lab::say_figure(&format!("{call} failing with {error}: {refusals} of 11 refused"));
    }
    let (wire, _run) = lab.exec(&lab.user);
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h13_started_with_streams_closed() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    for closed in [&[1][..], &[2], &[1, 2]] {
        let (wire, theirs) = wire::pair(&lab.user);
        let run =
            closed.iter().fold(lab.bare(&lab.user).stdin(theirs), |cmd, fd| cmd.close(*fd)).start();
        let grant = wire.get(&veth.ifname, 0, 1).unwrap_or_else(|e| panic!("{closed:?}: {e:?}"));
        let keeper = Process::new(grant.granted.keeper).settled();
        for (fd, what) in keeper.fds().iter().filter(|(fd, _)| (1..=2).contains(fd)) {
            assert_eq!(what, "/dev/null", "{closed:?}: descriptor {fd}");
        }
        drop((wire, grant));
        run.finish(SOON).ok();
        lab.nothing_left(&veth.ifname, &[]);
    }
    for closed in [&[0][..], &[0, 1], &[0, 1, 2]] {
        let run = closed.iter().fold(lab.bare(&lab.user), |cmd, fd| cmd.close(*fd)).run(SOON);
        assert!(!run.status.success() && !run.stderr.contains("panicked"), "{closed:?}: {run:?}");
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn h13_a_thousand_inherited_descriptors() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let plain = {
        let (wire, _run) = lab.exec(&lab.user);
        let grant = wire.get(&veth.ifname, 0, 1).unwrap();
        let fds = Process::new(grant.granted.keeper).settled().fds().len();
        drop((wire, grant));
        lab.nothing_left(&veth.ifname, &[]);
        fds
    };
    // More than the soft limit of most shells.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(4096), hard).unwrap();
    let path = lab.path("inherited");
    std::fs::write(&path, "x").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (wire, theirs) = wire::pair(&lab.user);
    let cmd = (0..1000).fold(lab.bare(&lab.user).stdin(theirs), |cmd, _| {
        cmd.inherit(File::open(&path).unwrap().into())
    });
    // The client's own end is among them: kept open, it would make the lease last for ever.
    let run = cmd.inherit(wire.fd().try_clone().unwrap()).start();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    run.finish(SOON).ok();
    let keeper = Process::new(grant.granted.keeper).settled();
    let fds = keeper.fds();
    assert_eq!(fds.len(), plain, "{fds:?}");
    assert!(!fds.iter().any(|(_, what)| what.contains("inherited")), "{fds:?}");
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h14_what_the_command_inherits() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let (given, _other) =
        socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let number = given.as_raw_fd().to_string();
    let mut run = lab
        .client("run")
        .args(["--acquire", NETDEV, "--", "sh", "-c", "echo $XSK_NETDEV_n0; exec sleep 60"])
        .inherit(given)
        .start();
    run.says("sock-fds=", SOON);
    let sockets = fake::sock_fds(&run.stdout());
    let process = Process::new(run.pid());
    let loads =
        || process.fds().iter().any(|(_, what)| what.contains("/lib/") || what.contains("ld.so"));
    lab::wait_until(SOON, "the exec of sleep", || {
        process.runs("sleep") && process.status("State").starts_with('S')
    });
    lab::wait_until(SOON, "its libraries to be loaded", || !loads());
    let fds = process.fds();
    let of = |fd: &str| fds.iter().find(|(n, _)| n.to_string() == fd).map(|(_, what)| what.clone());
    let others: Vec<_> = fds
        .iter()
        .filter(|(fd, _)| *fd > 2 && fd.to_string() != number && !sockets.contains(&fd.to_string()))
        .collect();
    assert!(of(&number).is_some_and(|what| what.starts_with("socket:")), "{fds:?}");
    assert!(
        sockets.iter().all(|fd| of(fd).is_some_and(|what| what.starts_with("socket:"))),
        "{fds:?}"
    );
    assert_eq!(others.len(), 1, "the lease and nothing else: {others:?}");
    assert!(others[0].1.starts_with("socket:"), "{others:?}");
    run.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
