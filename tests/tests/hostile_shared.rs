// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all users share although each has a process of their own: the service user's count of
//! descriptors in flight, the program behind pkexec, and addresses that others listen on. Lines 8,
//! 9 and 20 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::sys::resource::Resource;
use nix::sys::socket::{MsgFlags, send};
use xsk_tests::lab::wire::{acquire, pair};
use xsk_tests::lab::{INSTALLED, Lab, SOCKET, SOON, User, Wire};
use xsk_tests::proto::{Code, Request};
use xsk_tests::{lab, skip};

/// An eighth of what the packaged unit has as LimitNOFILE=, and twice what a user's limits let him
/// have under way.
const DESCRIPTORS: u64 = 8192;
const QUEUES: u32 = 64;
/// More connections than a user may have leases.
const CONNECTIONS: u64 = 140;

/// A lease whose sockets are never received, and which its client then ends without closing the
/// connection. False where the helper did not send any.
fn parked(lab: &Lab, ifname: &str) -> Option<Wire> {
    let wire = lab.wire();
    wire.greet();
    wire.say(&Request::Acquire(acquire(ifname, 0, QUEUES)));
    assert!(wire.readable(SOON));
    let something =
        nix::sys::socket::recv(wire.fd().as_raw_fd(), &mut [0; 8], MsgFlags::MSG_PEEK).unwrap() > 0;
    // More than a lease's client may say.
    for _ in 0..12 {
        let _ = wire.send(b"?");
        std::thread::sleep(Duration::from_millis(1));
    }
    something.then_some(wire)
}

/// The kernel counts descriptors that are under way by who sent them, and that is the service user
/// for everybody.
#[test]
fn h09_sockets_that_nobody_receives_shut_nobody_out() {
    let lab = lab!();
    let (hostile, other) = (lab.veth(QUEUES), lab.veth(1));
    let stranger = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"{}\"]\n[[allow]]\nusers = [{}]\ninterfaces = [\"{}\"]\n",
        lab.user.uid, hostile.ifname, stranger.uid, other.ifname
    ));
    let _listener = lab.listen_under(Resource::RLIMIT_NOFILE, DESCRIPTORS);
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.extend(parked(&lab, &hostile.ifname));
    }
    let granted = Wire::connect_as(SOCKET, &stranger).get(&other.ifname, 0, 1);
    assert!(
        granted.is_ok(),
        "{granted:?} with {} connections that hold {QUEUES} sockets each",
        held.len()
    );
}

/// Whoever comes second, the one who shares nothing is alone.
#[test]
fn h24_who_shares_nothing_is_alone() {
    let lab = lab!();
    let veth = lab.veth(4);
    let (alone, other) = (lab.user.uid, lab.another_user());
    let rule =
        |uid: u32| format!("[[allow]]\nusers = [{uid}]\ninterfaces = [\"{}\"]\n", veth.ifname);
    lab.policy(&format!("{}{}shared = true\n", rule(alone), rule(other.uid)));
    let listener = lab.listen();
    let by = |user: &User| Wire::connect_as(SOCKET, user);
    let own: Vec<_> = (0..2).map(|queue| (by(&lab.user), queue)).collect();
    let grants: Vec<_> =
        own.iter().map(|(wire, queue)| wire.get(&veth.ifname, *queue, 1).unwrap()).collect();
    by(&other).is_refused(&veth.ifname, 3, 1, Code::Busy);
    drop((own, grants));
    lab.no_helpers_but(&[listener.pid()]);
    let wire = by(&other);
    let grant = wire.get(&veth.ifname, 3, 1).unwrap();
    by(&lab.user).is_refused(&veth.ifname, 0, 1, Code::Busy);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// Root's arguments are root's. Whom polkit lets start the helper as root may ask it for a lease,
/// and for nothing else.
#[test]
fn h20_pkexec_takes_no_arguments() {
    let lab = lab!();
    lab.install_as_packaged(0o755);
    let _polkit = match lab.polkit() {
        Ok(polkit) => polkit,
        Err(why) => skip!("{why}"),
    };
    lab.user_cmd("pkexec").args([INSTALLED, "reap"]).run(SOON).exits(77);
}

/// An address is free when nobody listens there, whatever kind of socket it is.
#[test]
fn listen_takes_no_address_of_another_kind_of_socket() {
    let lab = lab!();
    let path = lab.path("bus");
    let _bus = UnixListener::bind(&path).unwrap();
    let done = lab.cmd("xsk-helper").args(["listen", "--socket"]).arg(&path).run(SOON);
    done.exits(75).err_has("somebody listens on");
    UnixStream::connect(&path).unwrap();
}

/// The user has filled the connection himself, and there is something to refuse before the policy
/// is read.
#[test]
fn h08_a_refusal_that_cannot_be_sent_keeps_no_process() {
    let lab = lab!();
    let (_wire, theirs) = pair(&lab.user);
    while send(theirs.as_raw_fd(), b"?", MsgFlags::MSG_DONTWAIT).is_ok() {}
    // Too little to work with, where the helper may not raise it.
    let run = lab.bare(&lab.user).rlimit(Resource::RLIMIT_FSIZE, 1).stdin(theirs).start();
    run.finish(SOON);
    lab.no_helpers_but(&[]);
}
