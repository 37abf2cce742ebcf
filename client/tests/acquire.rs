// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the library takes from a helper, and what it does not.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use common::{Peer, granted, helper, plain_socket, refused, xdp_socket};
use xsk_client::proto::{self, Code, Event, EventKind, Reply, StatusPart, Verdict};
use xsk_client::{Endpoint, Error, Kind, Lease, News, Request, acquire, check, revoke, status};

fn ask(name: &str, serve: impl Fn(Peer) + Send + Sync + 'static) -> Result<Lease, Error> {
    let (fake, thread) = helper(name, 1, move |peer, _| serve(peer));
    let result = acquire(&Endpoint::Socket(fake.path.clone()), &Request::new("eth1"));
    if result.is_err() {
        thread.join().unwrap();
    }
    result
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_grant_is_taken_with_its_sockets() {
    let Some(socket) = xdp_socket() else { return };
    let event = Event { kind: EventKind::InterfaceDown, text: "eth1 went down".into() };
    let sent = event.clone();
    let lease = ask("grant", move |peer| {
        let proto::Request::Acquire(request) = peer.greet() else { panic!("no acquire") };
        assert_eq!((request.ifname.as_str(), request.queues), ("eth1", 1));
        peer.say(&Reply::Granted(granted(1)), &[socket.try_clone().unwrap()]);
        peer.say(&Reply::Event(sent.clone()), &[]);
    })
    .unwrap();
    assert_eq!(lease.sockets.len(), 1);
    for fd in lease.sockets.iter().chain([&lease.connection]) {
        assert!(fd.as_raw_fd() >= 3);
        assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
    assert_eq!(lease.news(Duration::from_secs(5)).unwrap(), News::Event(event));
    assert_eq!(lease.news(Duration::from_secs(5)).unwrap(), News::Ended);
}

#[test]
fn the_lease_ends_with_its_connection() {
    let Some(socket) = xdp_socket() else { return };
    let (fake, thread) = helper("end", 1, move |peer, _| {
        peer.greet();
        peer.say(&Reply::Granted(granted(1)), &[socket.try_clone().unwrap()]);
        assert!(peer.wait_end());
    });
    let lease = acquire(&Endpoint::Socket(fake.path.clone()), &Request::new("eth1")).unwrap();
    assert_eq!(lease.news(Duration::from_millis(20)).unwrap(), News::Nothing);
    drop(lease);
    thread.join().unwrap();
}

#[test]
fn a_refusal_keeps_its_four_parts() {
    let error = ask("refusal", |peer| {
        peer.greet();
        peer.say(&refused(Code::NotAllowed), &[]);
    })
    .unwrap_err();
    assert_eq!(error.kind, Kind::Refused(Code::NotAllowed));
    assert_eq!(
        (error.object.as_str(), error.message.as_str(), error.hint.as_str()),
        ("eth1", "you may not have eth1", "ask the administrator")
    );
}

/// A helper that refuses the connection as such answers once and closes, and reads nothing.
#[test]
fn a_refusal_instead_of_a_greeting_is_heard() {
    let error = ask("early", |peer| peer.say(&refused(Code::Limit), &[])).unwrap_err();
    assert_eq!(error.kind, Kind::Refused(Code::Limit));
}

#[test]
fn other_descriptors_than_granted_are_refused() {
    let Some(socket) = xdp_socket() else { return };
    let copy = move || socket.try_clone().unwrap();
    let copies = std::sync::Arc::new(copy);
    let cases = [
        ("none", 0, 0, 1, "no descriptor received: 0 of 1 arrived"),
        ("few", 1, 0, 2, "the grant came with 1 descriptors instead of 2"),
        ("many", 3, 0, 2, "the grant came with 3 descriptors instead of 2"),
        ("kind", 1, 1, 2, "descriptor 1 of the grant is not an AF_XDP socket"),
    ];
    for (name, xdp, plain, queues, message) in cases {
        let copies = copies.clone();
        let error = ask(name, move |peer| {
            peer.greet();
            let mut fds: Vec<_> = (0..xdp).map(|_| copies()).collect();
            fds.extend((0..plain).map(|_| plain_socket()));
            peer.say(&Reply::Granted(granted(queues)), &fds);
        })
        .unwrap_err();
        assert_eq!(error.kind, Kind::NoDescriptor, "{name}: {error}");
        assert!(error.message.starts_with(message), "{name}: {error}");
    }
}

#[test]
fn descriptors_beside_another_answer_are_refused() {
    let error = ask("beside", |peer| {
        peer.greet();
        peer.say(&Reply::Revoked { leases: 0 }, &[plain_socket()]);
    })
    .unwrap_err();
    assert_eq!(error.kind, Kind::Protocol);
}

#[test]
fn nonsense_is_a_protocol_error() {
    let error = ask("garbage", |peer| peer.raw(&[0xff; 40], &[])).unwrap_err();
    assert_eq!(error.kind, Kind::Protocol);
    let error = ask("long", |peer| peer.raw(&vec![0; proto::MAX_REPLY + 1], &[plain_socket()]))
        .unwrap_err();
    assert_eq!(error.kind, Kind::Protocol);
    let error = ask("other", |peer| {
        peer.greet();
        peer.say(&Reply::Revoked { leases: 1 }, &[]);
    })
    .unwrap_err();
    assert!(error.message.ends_with("something else than a grant"), "{error}");
}

#[test]
fn a_helper_that_hangs_up_is_unreachable() {
    for (name, words) in [("at-once", 0), ("greeted", 1)] {
        let error = ask(name, move |peer| {
            if words == 1 {
                peer.greet();
            }
        })
        .unwrap_err();
        assert_eq!(error.kind, Kind::Unreachable, "{name}: {error}");
        assert!(
            error.message.ends_with("closed the connection without an answer"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_silent_helper_is_given_up() {
    let started = Instant::now();
    let error = ask("silent", |peer| {
        peer.greet();
        assert!(peer.wait_end());
    })
    .unwrap_err();
    assert_eq!(error.kind, Kind::Timeout);
    assert!((9..12).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn another_namespace_is_refused() {
    let Some(socket) = xdp_socket() else { return };
    let error = ask("namespace", move |peer| {
        peer.greet();
        let reply = proto::Granted { netns_cookie: u64::MAX, ..granted(1) };
        peer.say(&Reply::Granted(reply), &[socket.try_clone().unwrap()]);
    })
    .unwrap_err();
    assert_eq!(error.kind, Kind::Namespace);
}

#[test]
fn the_other_questions_have_their_answers() {
    let (fake, thread) = helper("questions", 3, move |peer, _| match peer.greet() {
        proto::Request::Status => {
            let part = |more| Reply::Status(StatusPart { more, ..StatusPart::default() });
            peer.say(&part(true), &[]);
            peer.say(&part(false), &[]);
        }
        proto::Request::Check(_) => peer.say(
            &Reply::Verdict(Verdict {
                rule: "policy.toml:1".into(),
                mode: None,
                confinement: granted(1).confinement,
                promisc: false,
                allmulti: true,
                busy_poll: false,
                memlock_max: 5,
            }),
            &[],
        ),
        proto::Request::Revoke(_) => peer.say(&Reply::Revoked { leases: 2 }, &[]),
        other => panic!("{other:?}"),
    });
    let endpoint = Endpoint::Socket(fake.path.clone());
    assert!(status(&endpoint).unwrap().leases.is_empty());
    assert_eq!(check(&endpoint, &Request::new("eth1")).unwrap().memlock_max, 5);
    let all = proto::Revoke {
        ifname: String::new(),
        queue: proto::Revoke::ANY,
        user: proto::Revoke::ANY,
    };
    assert_eq!(revoke(&endpoint, all).unwrap(), 2);
    thread.join().unwrap();
}

#[test]
fn each_way_to_have_no_helper_has_its_sentence() {
    let folder = std::env::temp_dir().join(format!("xsk-client-{}-none", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("plain");
    std::fs::write(&file, "").unwrap();
    let shown = file.display();
    let broken = folder.join("broken");
    common::script(&broken, "#!/bin/sh\necho no library >&2; exit 3\n");
    let missing = folder.join("missing");
    let cases = [
        (Endpoint::Socket(missing.clone()), format!("there is no socket at {}", missing.display())),
        (Endpoint::Socket(file.clone()), format!("nobody listens on {shown} any more")),
        (Endpoint::Helper(missing.clone()), format!("{} is not installed", missing.display())),
        (Endpoint::Helper(file.clone()), format!("{shown} is not executable")),
        (
            Endpoint::Helper("/bin/false".into()),
            "/bin/false exited with status 1 before it answered".into(),
        ),
        (
            Endpoint::Helper(broken.clone()),
            format!("{} exited with status 3 before it answered: no library", broken.display()),
        ),
    ];
    for (endpoint, message) in cases {
        let error = acquire(&endpoint, &Request::new("eth1")).unwrap_err();
        assert_eq!(error.message, message, "{endpoint:?}");
        assert!(!error.hint.is_empty(), "{endpoint:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Not a thing may stay open after 200 failures: too few descriptors, too many, and those of
/// another kind.
#[test]
fn failures_are_flat() {
    let Some(socket) = xdp_socket() else { return };
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "failures_are_flat_alone", "--ignored", "--nocapture"])
        .status()
        .unwrap();
    drop(socket);
    assert!(status.success());
}

/// Run by the test above in a process of its own, since it counts this process's descriptors.
#[test]
#[ignore = "run by failures_are_flat"]
fn failures_are_flat_alone() {
    let Some(socket) = xdp_socket() else { return };
    let (fake, thread) = helper("flat", 200, move |peer, index| {
        peer.greet();
        let (sockets, others) = [(1, 0), (4, 0), (2, 1)][index % 3];
        let mut fds: Vec<_> = (0..sockets).map(|_| socket.try_clone().unwrap()).collect();
        fds.extend((0..others).map(|_| plain_socket()));
        peer.say(&Reply::Granted(granted(3)), &fds);
        assert!(peer.wait_end());
    });
    let before = open_descriptors();
    for _ in 0..200 {
        acquire(&Endpoint::Socket(fake.path.clone()), &Request::new("eth1")).unwrap_err();
    }
    thread.join().unwrap();
    // The listener of the helper's thread is closed by now.
    assert_eq!(open_descriptors(), before - 2);
}
