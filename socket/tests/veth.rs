// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crate against the kernel, on a veth pair in a network namespace of each test's own. Needs
//! root.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use xsk_socket::{BindOptions, Bound, Config, CopyMode, Error, Refused, Unbound};

const FRAME: [u8; 60] = {
    let mut frame = [0xa5; 60];
    frame[12] = 0x88;
    frame[13] = 0xb5;
    frame
};

/// Moves the test's thread into a new network namespace with the veth pair `va`, `vb`, both up.
fn lab() -> Option<(u32, u32)> {
    if !nix::unistd::geteuid().is_root() || unshare(CloneFlags::CLONE_NEWNET).is_err() {
        common::skipped("needs root with CAP_SYS_ADMIN for a network namespace");
        return None;
    }
    ip("link add name va numtxqueues 2 numrxqueues 2 type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    Some((index("va"), index("vb")))
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .expect("ip (iproute2) must be installed");
    assert!(status.success(), "ip {arguments}");
}

fn index(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).expect("the interface was just made")
}

fn bound(ifindex: u32, queue: u32) -> Bound {
    let ready = Unbound::create().unwrap().prepare(&Config::default().frames(64)).unwrap();
    ready.bind(ifindex, queue, &BindOptions::default()).unwrap()
}

/// A packet socket that sees what arrives in this namespace, with a time-out.
fn tap() -> OwnedFd {
    let fd =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
            .unwrap();
    let limit = nix::sys::time::TimeVal::new(2, 0);
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::ReceiveTimeout, &limit).unwrap();
    fd
}

#[test]
fn frames_leave_and_their_memory_comes_back() {
    let Some((a, _)) = lab() else { return };
    let tap = tap();
    let mut socket = bound(a, 0);
    assert!(!socket.zero_copy());
    let mut buffer = [0; 2048];
    for _ in 0..1000 {
        socket.send(&FRAME).unwrap();
        assert_eq!(socket.flush().unwrap(), 0);
        // The host's own chatter on the pair (router solicitations and the like) is passed over.
        while recv(tap.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap() != 60
            || buffer[..60] != FRAME
        {}
    }
    assert_eq!(socket.foreign_addresses(), 0);
    assert_eq!(socket.statistics().unwrap().tx_invalid_descs, 0);
}

#[test]
fn without_a_flush_the_frames_run_out_and_come_back_after_it() {
    let Some((a, _)) = lab() else { return };
    let mut socket = bound(a, 0);
    let room = socket.room();
    assert_eq!(room, 16, "a quarter is kept for sending");
    for _ in 0..room {
        socket.send(&FRAME).unwrap();
    }
    assert_eq!(socket.send(&FRAME), Err(Refused::NoRoom));
    assert_eq!(socket.send(&[]), Err(Refused::BadLength));
    assert_eq!(socket.send(&[0; 4097]), Err(Refused::BadLength));
    socket.flush().unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    while socket.room() < room && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(socket.room(), room);
}

#[test]
fn only_a_fresh_af_xdp_socket_is_adopted() {
    let Some((a, _)) = lab() else { return };
    let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    assert!(matches!(Unbound::adopt(file), Err(Error::NotXdp(_))));
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let error = Unbound::adopt(stream.into()).unwrap_err().to_string();
    assert!(
        error.starts_with("the descriptor is not an AF_XDP socket (its address family is 1)"),
        "{error}"
    );
    let fresh = Unbound::create().unwrap().into_fd();
    let copy = fresh.try_clone().unwrap();
    let ready = Unbound::adopt(fresh).unwrap().prepare(&Config::default().frames(64)).unwrap();
    assert!(matches!(Unbound::adopt(copy.try_clone().unwrap()), Err(Error::InUse)), "has a UMEM");
    let _bound = ready.bind(a, 0, &BindOptions::default()).unwrap();
    assert!(matches!(Unbound::adopt(copy), Err(Error::InUse)), "is bound");
}

#[test]
fn a_failed_bind_gives_the_socket_back() {
    let Some((a, _)) = lab() else { return };
    let _holder = bound(a, 0);
    let ready = Unbound::create().unwrap().prepare(&Config::default().frames(64)).unwrap();
    let options = BindOptions::default().busy_wait(Duration::from_millis(50));
    let failed = ready.bind(a, 0, &options).unwrap_err();
    assert!(
        matches!(failed.error, Error::Busy { queue: 0, waited, .. } if waited.as_millis() >= 50)
    );
    let failed = failed.ready.bind(a, 9, &options).unwrap_err();
    assert!(matches!(failed.error, Error::Invalid { queue: 9, .. }), "{failed}");
    let failed = failed.ready.bind(4096, 0, &options).unwrap_err();
    assert!(matches!(failed.error, Error::NoInterface(4096)), "{failed}");
    let failed =
        failed.ready.bind(a, 1, &options.clone().copy(CopyMode::ForceZeroCopy)).unwrap_err();
    assert!(matches!(failed.error, Error::NoZeroCopy(_)), "{failed}");
    let socket = failed.ready.bind(a, 1, &options.copy(CopyMode::ForceCopy)).unwrap();
    assert_eq!((socket.queue(), socket.zero_copy()), (1, false));
}

#[test]
fn a_queue_is_waited_for_while_its_last_holder_goes() {
    let Some((a, _)) = lab() else { return };
    for _ in 0..10 {
        drop(bound(a, 0));
    }
    let holder = bound(a, 0);
    let start = Instant::now();
    let dropper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(holder);
    });
    drop(bound(a, 0));
    assert!(start.elapsed() >= Duration::from_millis(100));
    dropper.join().unwrap();
}

#[test]
fn an_interface_that_goes_is_noticed() {
    let Some((a, _)) = lab() else { return };
    let mut socket = bound(a, 0);
    let monitor = socket.monitor();
    monitor.check().unwrap();
    ip("link del va");
    assert!(matches!(monitor.check(), Err(Error::Gone(gone)) if gone == a));
    socket.send(&FRAME).unwrap();
    assert!(matches!(socket.flush(), Err(Error::Gone(_))));
}

#[test]
fn an_interface_that_is_down_is_no_end() {
    let Some((a, _)) = lab() else { return };
    let mut socket = bound(a, 0);
    ip("link set va down");
    socket.send(&FRAME).unwrap();
    assert_eq!(socket.flush().unwrap(), 1);
    ip("link set va up");
    assert_eq!(socket.flush().unwrap(), 0);
}
