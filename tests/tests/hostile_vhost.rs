// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that lies in the rings of a vhost-user device, or that loses its memory: that ring or
//! that connection stops with a line in the log, the device goes on, and the next front end is
//! served.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::SOON;
use xsk_tests::lab::frontend::{FrontEnd, MEMORY, SIZE, WRITE, frame, numbers, pair, place, request};

#[test]
fn h41_a_ring_that_lies_is_stopped_and_the_other_pair_goes_on() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(2);
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
        let mut front = FrontEnd::working(&path, 2);
        lie(&mut front);
        device.says(said, SOON);
        assert!(front.transmit(3, &frame()), "the other pair stands still after {said:?}");
        // What the front end asks for afterwards is carried out.
        front.send(request::GET_VRING_BASE, 0, &pair(1, 0), &[]);
        assert_eq!(front.reply().unwrap().len(), 8);
    }
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_a_receive_ring_that_lies_is_stopped() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(1);
    for (len, flags, said) in [
        (60, 0, "ring 0 is stopped: a chain has buffers of the wrong direction"),
        (4, WRITE, "ring 0 is stopped: a chain has buffers of the wrong direction"),
    ] {
        let mut front = FrontEnd::working(&path, 1);
        front.descriptor(0, 0, 0x9_0000, len, flags, 0);
        front.offer(0, 0);
        lab.peer_cmd("ping").words("-c 1 -W 1 -b -I").arg(&veth.peer).arg("255.255.255.255").run(SOON);
        device.says(said, SOON);
    }
    lab.vhost_ends_well(&veth, device, &path);
}

#[test]
fn h41_memory_that_shrinks_stops_the_connection_alone() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(1);
    // Buffers alone, and the rings with them.
    for len in [0x8_0000, 0] {
        let mut front = FrontEnd::working(&path, 1);
        front.descriptor(1, 0, 0x8_0000, 60, 0, 0);
        front.memory.set_len(len).unwrap();
        if len > 0 {
            front.offer(1, 0);
        }
        front.kick(1);
        assert!(front.is_closed(), "the connection goes on: {}", device.stderr());
        device.says("it took guest memory away", SOON);
    }
    lab.vhost_ends_well(&veth, device, &path);
}
