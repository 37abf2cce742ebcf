// SPDX-License-Identifier: MIT OR Apache-2.0
//! A front end that lies to a vhost-user device in its messages, floods it, or comes and goes: its
//! message is refused or its connection ends, nothing grows, and the next front end is served.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::eventfd::EventFd;
use xsk_tests::lab;
use xsk_tests::lab::frontend::{
    FrontEnd, MEMORY, USER, addresses, frame, numbers, pair, place, request, words,
};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{SOON, wait_until};

/// Random bits, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn h41_messages_in_every_order_with_any_payload_leave_it_flat() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(2);
    let process = Process::new(device.pid());
    drop(FrontEnd::working(&path, 2));
    let before = process.fds_at_rest();
    let mut dice = Dice(0x5eed);
    for _ in 0..200 {
        let front = FrontEnd::connect(&path).unwrap();
        let event = OwnedFd::from(EventFd::new().unwrap());
        let memory = front.memory.as_raw_fd();
        for _ in 0..dice.roll(60) {
            let code = dice.roll(42) as u32;
            let ring = dice.roll(6) as u32;
            let payload = match dice.roll(6) {
                0 => pair(ring, dice.roll(300) as u32),
                1 => numbers(&[u64::from(ring) | (dice.roll(2) << 8)]),
                2 => addresses(ring, USER + dice.roll(MEMORY)),
                3 => [words(&[1]), numbers(&[0, MEMORY, USER, 0])].concat(),
                4 => (0..dice.roll(300)).map(|_| dice.roll(256) as u8).collect(),
                _ => vec![0xff; dice.roll(64) as usize],
            };
            let fds = [&[][..], &[memory], &[event.as_raw_fd()]];
            let fds = fds[dice.roll(3) as usize];
            if !front.send(code, 8 * dice.roll(2) as u32, &payload, fds) {
                break;
            }
        }
        front.memory.set_len(dice.roll(2) * MEMORY).unwrap();
    }
    drop(FrontEnd::working(&path, 2));
    wait_until(SOON, "all descriptors to be closed", || process.fds().len() == before);
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_floods_end_the_connection_and_leave_it_flat() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(1);
    let process = Process::new(device.pid());
    drop(FrontEnd::working(&path, 1));
    let before = process.fds_at_rest();
    let file = std::fs::File::open("/etc/passwd").unwrap();
    for count in [9, 100, 253] {
        let mut front = FrontEnd::connect(&path).unwrap();
        front.send(request::SET_OWNER, 0, &[], &vec![file.as_raw_fd(); count]);
        assert!(front.is_closed());
        device.says("a message with more than 8 descriptors", SOON);
    }
    // Descriptors on the pieces of one message.
    let mut front = FrontEnd::connect(&path).unwrap();
    for _ in 0..12 {
        front.raw(&[1], &[file.as_raw_fd()]);
    }
    assert!(front.is_closed());
    for (head, said) in [
        ([1, 1, u32::MAX], "a message with 4294967295 bytes of payload"),
        ([1, 1, 4097], "a message with 4097 bytes of payload"),
        ([1, 2, 0], "a message with the flags 0x2"),
        ([1, 5, 0], "a message with the flags 0x5"),
        ([4711, 1, 0], "request 4711 is not served"),
    ] {
        let mut front = FrontEnd::connect(&path).unwrap();
        front.raw(&head.map(u32::to_ne_bytes).concat(), &[]);
        assert!(front.is_closed());
        device.says(said, SOON);
    }
    wait_until(SOON, "all descriptors to be closed", || process.fds().len() == before);
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_a_front_end_that_reads_no_answers_is_let_go() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(1);
    let front = FrontEnd::connect(&path).unwrap();
    while front.send(request::GET_FEATURES, 8, &[], &[]) {}
    device.says("the front end does not read its answers", SOON);
    drop(front);
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_thousands_of_reconnects_leave_it_flat_and_its_log_short() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let process = Process::new(device.pid());
    drop(FrontEnd::working(&path, 1));
    let (before, memory) = (process.fds_at_rest(), process.rss());
    for round in 0..10_000 {
        let front = FrontEnd::connect(&path).unwrap();
        if round % 2 == 0 {
            front.send(request::SET_OWNER, 0, &[], &[]);
        }
    }
    drop(FrontEnd::working(&path, 1));
    wait_until(SOON, "all descriptors to be closed", || process.fds().len() == before);
    assert!(process.rss() < memory + 2048, "{memory} KiB became {}", process.rss());
    assert!(device.stderr().len() < 100_000, "{} bytes of log", device.stderr().len());
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_a_second_front_end_is_turned_away() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(1);
    let mut front = FrontEnd::working(&path, 1);
    assert!(FrontEnd::connect(&path).unwrap().is_closed());
    device.says("a second front end was turned away", SOON);
    assert!(front.transmit(1, &frame()), "the first one stands still");
    drop(front);
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_a_ring_over_the_edge_of_memory_is_refused() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(2);
    let mut front = FrontEnd::working(&path, 2);
    let (good, edge) = (USER + place(3), USER + MEMORY - 16);
    for (descriptors, used, avail) in [
        (edge, good + 0x2000, good + 0x1000),
        (good, edge, good + 0x1000),
        (good, good + 0x2000, edge),
        (good, good + 0x2000, u64::MAX - 15),
        (good + 8, good + 0x2000, good + 0x1000),
        (0, 0, 0),
    ] {
        let payload = [pair(3, 0), numbers(&[descriptors, used, avail, 0])].concat();
        assert_eq!(
            front.try_to(request::SET_VRING_ADDR, &payload, &[]),
            Some(1),
            "{descriptors:#x}"
        );
        assert!(front.transmit(1, &frame()), "the other pair stands still");
    }
    front.must(request::SET_VRING_ADDR, &addresses(3, good), &[]);
    assert!(front.transmit(3, &frame()), "the ring does not come back");
    drop(front);
    lab.vhost_ends_well(&veth, device, &path);
}
