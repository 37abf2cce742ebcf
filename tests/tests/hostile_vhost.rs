// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest and a front end that lie to a vhost-user device: that ring or that connection stops with
//! a line in the log, the device goes on, and the next front end is served.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::frontend::{
    FEATURES, FrontEnd, MEMORY, SIZE, USER, WRITE, addresses, numbers, pair, place, request, words,
};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, Running, SOON, Veth, wait_until};

/// A device that lets the test in, which is root.
fn device(lab: &Lab, queues: u32) -> (Veth, Running, PathBuf) {
    let veth = lab.veth(queues);
    let (device, path) = lab.vhost(&veth, ",user=0");
    (veth, device, path)
}

/// A frame to a group, so that the network takes it.
fn frame() -> Vec<u8> {
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9, 0x88, 0xb5], &[7; 46]].concat()
}

/// A front end with rings at work, through which a frame has gone.
fn working(path: &Path, pairs: u32) -> FrontEnd {
    let mut front = FrontEnd::connect(path).unwrap();
    front.set_up(FEATURES, pairs);
    assert!(front.transmit(1, &frame()), "no frame is taken");
    front
}

/// The device still serves, and ends when it is told to.
fn ends_well(lab: &Lab, veth: &Veth, device: Running, path: &Path) {
    drop(working(path, veth.queues));
    device.signal(Signal::SIGTERM);
    device.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

/// How many descriptors the device has once it has seen that the last front end is gone.
fn descriptors(process: Process) -> usize {
    let mut seen = 0;
    wait_until(SOON, "the number of descriptors to rest", || {
        std::thread::sleep(Duration::from_millis(100));
        std::mem::replace(&mut seen, process.fds().len()) == seen
    });
    seen
}

#[test]
fn h41_a_ring_that_lies_is_stopped_and_the_other_pair_goes_on() {
    let lab = lab!();
    let (veth, mut device, path) = device(&lab, 2);
    type Lie = fn(&mut FrontEnd);
    let lies: [(Lie, &str); 11] = [
        (|front| front.offer(1, SIZE), "descriptor 64 does not exist"),
        (
            |front| {
                front.write(place(1) + 0x1002, &[0xff, 0x7f]);
                front.kick(1);
            },
            "entries ahead",
        ),
        (
            |front| {
                front.descriptor(1, 0, 0x8_0000, 60, 1, 0);
                front.offer(1, 0);
            },
            "a chain has no end within 1024 descriptors",
        ),
        (
            |front| {
                front.descriptor(1, 0, 0x8_0000, 60, 1, 200);
                front.offer(1, 0);
            },
            "a chain goes on at descriptor 200, which does not exist",
        ),
        (
            |front| {
                front.descriptor(1, 0, MEMORY - 30, 60, 0, 0);
                front.offer(1, 0);
            },
            "60 bytes at 0xfffe2 are not in the guest's memory",
        ),
        (
            |front| {
                front.descriptor(1, 0, 0x8_0000, u32::MAX, 0, 0);
                front.offer(1, 0);
            },
            "4294967295 bytes at 0x80000 are not in the guest's memory",
        ),
        (
            |front| {
                front.descriptor(1, 0, u64::MAX - 10, 60, 0, 0);
                front.offer(1, 0);
            },
            "are not in the guest's memory",
        ),
        (
            |front| {
                front.descriptor(1, 0, 0x8_0000, 33, 4, 0);
                front.offer(1, 0);
            },
            "a bad indirect table of 33 bytes",
        ),
        (
            |front| {
                front.write(0x8_0000, &[numbers(&[0x8_0000]), vec![16, 0, 0, 0, 4, 0, 0, 0]].concat());
                front.descriptor(1, 0, 0x8_0000, 16, 4, 0);
                front.offer(1, 0);
            },
            "a bad indirect table of 16 bytes",
        ),
        (
            |front| {
                front.descriptor(1, 0, 0x8_0000, 60, WRITE, 0);
                front.offer(1, 0);
            },
            "a chain has buffers of the wrong direction",
        ),
        (
            |front| {
                front.descriptor(1, 0, MEMORY, 60, 4, 0);
                front.offer(1, 0);
            },
            "a bad indirect table of 60 bytes",
        ),
    ];
    for (lie, said) in lies {
        let mut front = working(&path, 2);
        lie(&mut front);
        device.says(said, SOON);
        assert!(front.transmit(3, &frame()), "the other pair stands still after {said:?}");
        // What the front end asks for afterwards is carried out.
        front.send(request::GET_VRING_BASE, 0, &pair(1, 0), &[]);
        assert_eq!(front.reply().unwrap().len(), 8);
    }
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_a_receive_ring_that_lies_is_stopped() {
    let lab = lab!();
    let (veth, mut device, path) = device(&lab, 1);
    for (len, flags, said) in [
        (60, 0, "ring 0 is stopped: a chain has buffers of the wrong direction"),
        (4, WRITE, "ring 0 is stopped: a chain has buffers of the wrong direction"),
    ] {
        let mut front = working(&path, 1);
        front.descriptor(0, 0, 0x9_0000, len, flags, 0);
        front.offer(0, 0);
        lab.peer_cmd("ping").words("-c 1 -W 1 -b -I").arg(&veth.peer).arg("255.255.255.255").run(SOON);
        device.says(said, SOON);
    }
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_memory_that_shrinks_stops_the_connection_alone() {
    let lab = lab!();
    let (veth, mut device, path) = device(&lab, 1);
    // Buffers alone, and the rings with them.
    for len in [0x8_0000, 0] {
        let mut front = working(&path, 1);
        front.descriptor(1, 0, 0x8_0000, 60, 0, 0);
        front.memory.set_len(len).unwrap();
        if len > 0 {
            front.offer(1, 0);
        }
        front.kick(1);
        assert!(front.is_closed(), "the connection goes on: {}", device.stderr());
        device.says("it took guest memory away", SOON);
    }
    ends_well(&lab, &veth, device, &path);
}

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
    let (veth, mut device, path) = device(&lab, 2);
    for call in [full_event(), full_pipe()] {
        let mut front = working(&path, 2);
        front.send(request::SET_VRING_CALL, 0, &numbers(&[3]), &[call.as_raw_fd()]);
        device.says("ring 3 is stopped: the call descriptor is full, and a write to it waits", SOON);
        assert!(front.transmit(1, &frame()), "the other pair stands still");
        drop(front);
        wait_until(SOON, "the front end to be gone", || device.stderr().ends_with("closed the connection\n"));
    }
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_sigterm_ends_a_device_that_is_held_up() {
    let lab = lab!();
    let (veth, device, path) = device(&lab, 1);
    let front = working(&path, 1);
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
    let (veth, device, path) = device(&lab, 1);
    let mut front = working(&path, 1);
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
    ends_well(&lab, &veth, device, &path);
}

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
    let (veth, device, path) = device(&lab, 2);
    let process = Process::new(device.pid());
    drop(working(&path, 2));
    let before = descriptors(process);
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
    drop(working(&path, 2));
    wait_until(SOON, "all descriptors to be closed", || process.fds().len() == before);
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_floods_end_the_connection_and_leave_it_flat() {
    let lab = lab!();
    let (veth, mut device, path) = device(&lab, 1);
    let process = Process::new(device.pid());
    drop(working(&path, 1));
    let before = descriptors(process);
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
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_a_front_end_that_reads_no_answers_is_let_go() {
    let lab = lab!();
    let (veth, mut device, path) = device(&lab, 1);
    let front = FrontEnd::connect(&path).unwrap();
    while front.send(request::GET_FEATURES, 8, &[], &[]) {}
    device.says("the front end does not read its answers", SOON);
    drop(front);
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_thousands_of_reconnects_leave_it_flat_and_its_log_short() {
    let lab = lab!();
    let (veth, device, path) = device(&lab, 1);
    let process = Process::new(device.pid());
    drop(working(&path, 1));
    let (before, memory) = (descriptors(process), process.rss());
    for round in 0..10_000 {
        let front = FrontEnd::connect(&path).unwrap();
        if round % 2 == 0 {
            front.send(request::SET_OWNER, 0, &[], &[]);
        }
    }
    drop(working(&path, 1));
    wait_until(SOON, "all descriptors to be closed", || process.fds().len() == before);
    assert!(process.rss() < memory + 2048, "{memory} KiB became {}", process.rss());
    assert!(device.stderr().len() < 100_000, "{} bytes of log", device.stderr().len());
    ends_well(&lab, &veth, device, &path);
}

#[test]
fn h41_a_second_front_end_is_turned_away() {
    let lab = lab!();
    let (veth, mut device, path) = device(&lab, 1);
    let mut front = working(&path, 1);
    assert!(FrontEnd::connect(&path).unwrap().is_closed());
    device.says("a second front end was turned away", SOON);
    assert!(front.transmit(1, &frame()), "the first one stands still");
    drop(front);
    ends_well(&lab, &veth, device, &path);
}
