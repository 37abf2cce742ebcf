// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that lies in the rings of a vhost-user device, or loses its memory: that ring or
//! that connection stops with a line in the log, the device goes on, and the next front end is
//! served.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::frontend::{
    CHECKSUMS, FEATURES, FrontEnd, MEMORY, SEGMENTS, SIZE, WRITE, frame, net_header, numbers, pair,
    place, request,
};
use xsk_tests::lab::{SOON, wait_until};

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
                front.write(
                    0x8_0000,
                    &[numbers(&[0x8_0000]), vec![16, 0, 0, 0, 4, 0, 0, 0]].concat(),
                );
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
        lab.peer_cmd("ping")
            .words("-c 1 -W 1 -b -I")
            .arg(&veth.peer)
            .arg("255.255.255.255")
            .run(SOON);
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

#[test]
fn h41_a_header_that_lies_stops_its_ring_alone() {
    let lab = lab!();
    let (veth, mut device, path) = lab.vhost_for_root(2);
    let all = FEATURES | CHECKSUMS | SEGMENTS;
    let lies = [
        (
            FEATURES,
            net_header([1, 0], [0, 0, 34, 16]),
            "asks for a checksum, which was not negotiated",
        ),
        (FEATURES | CHECKSUMS, net_header([1, 1], [54, 8, 34, 16]), "asks for segments of type 1"),
        (all, net_header([1, 3], [54, 8, 34, 16]), "asks for segments of type 3"),
        (all, net_header([0, 1], [54, 8, 34, 16]), "asks for segments without a checksum"),
        (all, net_header([1, 1], [54, 0, 34, 16]), "asks for segments of 0 bytes"),
        (all, net_header([1, 1], [54, 1, 34, 16]), "asks for segments of 1 bytes"),
        (all, net_header([1, 1], [54, 8, 34, 6]), "puts the checksum at 34 + 6"),
        (all, net_header([1, 1], [u16::MAX, 8, 34, 16]), "says that 65535 bytes are headers"),
        (all, net_header([1, 0], [0, 0, 0, 0]), "puts the checksum at 0 + 0"),
        (
            all,
            net_header([1, 0], [0, 0, 14, 45]),
            "puts the checksum at 14 + 45, in a frame of 60 bytes",
        ),
        (all, net_header([1, 0], [0, 0, u16::MAX, u16::MAX]), "puts the checksum at 65535 + 65535"),
    ];
    for (features, header, said) in lies {
        let mut front = FrontEnd::connect(&path).unwrap();
        front.set_up(features, 2);
        if features & CHECKSUMS == 0 {
            // Without the feature nobody looks at the header.
            assert!(front.transmit_with(1, &header, &frame()));
            continue;
        }
        front.write(0x8_0000, &[&header[..], &frame()].concat());
        front.descriptor(1, 0, 0x8_0000, 72, 0, 0);
        front.offer(1, 0);
        device.says(&format!("ring 1 is stopped: a header {said}"), SOON);
        assert!(front.transmit(3, &frame()), "the other pair stands still after {said:?}");
        assert_eq!(front.used(1), 0);
    }
    lab.vhost_ends_well(&veth, device, &path);
}

/// The header and the frame are at odds: that frame is dropped.
#[test]
fn h41_a_frame_that_is_not_what_its_header_says_is_dropped() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let mut front = FrontEnd::connect(&path).unwrap();
    front.set_up(FEATURES | CHECKSUMS | SEGMENTS, 1);
    for kind in [1, 4] {
        let header = net_header([1, kind], [54, 8, 34, 16]);
        assert!(front.transmit_with(1, &header, &frame()), "the ring stands still");
    }
    device.signal(Signal::SIGUSR1);
    wait_until(SOON, "the count", || device.stdout().contains("tx 0 frames 0 bytes"));
    assert!(device.stdout().contains("by the peer 2"), "{}", device.stdout());
    drop(front);
    lab.vhost_ends_well(&veth, device, &path);
}
