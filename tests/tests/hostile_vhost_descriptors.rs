// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptors of a front end that would hold up a thread that writes to them, polls them or closes
//! them: no thread with other work waits for one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::frontend::{FrontEnd, frame, numbers, request, words};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{HELPER, SOON, wait_until};

/// An eventfd with a full counter, that waits.
fn full_event() -> OwnedFd {
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap();
    event.write(u64::MAX - 1).unwrap();
    event.into()
}

/// A pipe that nobody reads, full, that waits. The reading end stays open.
fn full_pipe() -> OwnedFd {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let page = [0; 4096];
    for _ in 0..16 {
        nix::unistd::write(&writer, &page).unwrap();
    }
    std::mem::forget(reader);
    writer
}

#[test]
fn h41_a_call_descriptor_that_waits_stops_its_ring_alone() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(2);
    for call in [full_event(), full_pipe()] {
        let mut front = FrontEnd::working(&path, 2);
        front.send(request::SET_VRING_CALL, 0, &numbers(&[3]), &[call.as_raw_fd()]);
        device
            .says("ring 3 is stopped: the call descriptor is full, and a write to it waits", SOON);
        assert!(front.transmit(1, &frame()), "the other pair stands still");
        drop(front);
        wait_until(SOON, "the front end to be gone", || {
            device.stderr().ends_with("closed the connection\n")
        });
    }
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_sigterm_ends_a_device_that_is_held_up() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let front = FrontEnd::working(&path, 1);
    let call = full_event();
    front.send(request::SET_VRING_CALL, 0, &numbers(&[0]), &[call.as_raw_fd()]);
    front.send(request::SET_VRING_CALL, 0, &numbers(&[1]), &[call.as_raw_fd()]);
    device.signal(Signal::SIGTERM);
    let start = Instant::now();
    device.finish(SOON).ok();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h41_descriptors_that_could_hold_somebody_up_are_refused() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let mut front = FrontEnd::working(&path, 1);
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let fd = file.as_raw_fd();
    for code in [request::SET_VRING_KICK, request::SET_VRING_CALL] {
        assert_eq!(front.try_to(code, &numbers(&[0]), &[fd]), Some(1));
        assert_eq!(front.try_to(code, &numbers(&[0]), &[]), Some(1));
    }
    let region = [words(&[0]), numbers(&[1 << 30, 4096, 1 << 40, 0])].concat();
    assert_eq!(front.try_to(request::ADD_MEM_REG, &region, &[fd]), Some(1));
    assert!(front.transmit(1, &frame()), "it stands still");
    drop(front);
    lab.vhost_ends_well(&veth, device, &path);
}

/// A TCP connection whose end waits for an hour to be closed: there is data that the other side
/// does not take.
fn lingering() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let hour = nix::libc::linger { l_onoff: 1, l_linger: 3600 };
    nix::sys::socket::setsockopt(&near, nix::sys::socket::sockopt::Linger, &hour).unwrap();
    near.set_nonblocking(true).unwrap();
    while std::io::Write::write(&mut &near, &[0; 65536]).is_ok() {}
    (near, far)
}

#[test]
fn h41_a_descriptor_that_holds_up_whoever_closes_it_is_closed_by_nobody_else() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let mut others = vec![];
    for code in [request::SET_VRING_CALL, request::SET_VRING_KICK, request::SET_VRING_ERR] {
        let (near, far) = lingering();
        let front = FrontEnd::working(&path, 1);
        // So that the device's is the last one.
        Process::new(device.pid()).freeze();
        front.send(code, 0, &numbers(&[0]), &[near.as_raw_fd()]);
        drop((near, front));
        device.signal(Signal::SIGCONT);
        others.push(far);
    }
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_a_device_that_is_held_up_takes_the_next_front_end() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let call = full_event();
    for _ in 0..3 {
        let front = FrontEnd::working(&path, 1);
        front.send(request::SET_VRING_CALL, 0, &numbers(&[1]), &[call.as_raw_fd()]);
    }
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_a_revoke_ends_a_device_that_is_held_up() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.bin("xsk-helper");
    let path = lab.vhost_socket();
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let peer = format!("vhost-user={},user=0", path.display());
    let device = lab
        .user_cmd("xsk-backend")
        .args(["--netdev", &netdev, "--peer", &peer, "--helper", HELPER]);
    let mut device = device.start();
    device.says("ready:", SOON);
    let front = FrontEnd::working(&path, 1);
    let call = full_event();
    for ring in 0..2 {
        front.send(request::SET_VRING_CALL, 0, &numbers(&[ring]), &[call.as_raw_fd()]);
    }
    lab.cmd(HELPER).args(["revoke", &veth.ifname]).run(SOON).ok();
    device.finish(SOON).exits(77).err_has("the lease is over");
    lab.nothing_left(&veth.ifname, &[]);
}
