// SPDX-License-Identifier: MIT OR Apache-2.0
//! A driver's side that can lie, over memory of its own.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::*;
use crate::memory::RegionInfo;

const SIZE: u16 = 8;
const MEMORY: u64 = 0x1_0000;
const AVAIL: u64 = 0x1000;
const USED: u64 = 0x2000;
const EVENTS: RingFeatures = RingFeatures { event_idx: true, indirect: true };
const PLAIN: RingFeatures = RingFeatures { event_idx: false, indirect: false };

/// The guest, whose addresses are the front end's too.
struct Driver {
    memory: Arc<GuestMemory>,
    _file: OwnedFd,
    sent: u16,
}

impl Driver {
    fn new() -> Self {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, MEMORY).unwrap();
        let info = RegionInfo { guest: 0, len: MEMORY, user: 0, offset: 0 };
        let memory = Arc::new(GuestMemory::default().with(info, &file).unwrap());
        Self { memory, _file: file, sent: 0 }
    }

    fn ring(&self, features: RingFeatures) -> Ring {
        let at = Addresses { descriptors: 0, avail: AVAIL, used: USED };
        Ring::new(Arc::clone(&self.memory), at, SIZE, features).unwrap()
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let mut spans = vec![];
        assert!(self.memory.find(at, bytes.len() as u32, &mut spans));
        self.memory.write(&spans, 0, bytes);
    }

    fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        let (mut spans, mut bytes) = (vec![], [0; N]);
        assert!(self.memory.find(at, N as u32, &mut spans));
        self.memory.read(&spans, 0, &mut bytes);
        bytes
    }

    fn descriptor(&self, table: u64, index: u64, addr: u64, len: u32, flags: u16, next: u16) {
        let bytes = [
            &addr.to_le_bytes()[..],
            &len.to_le_bytes(),
            &flags.to_le_bytes(),
            &next.to_le_bytes(),
        ];
        self.write(table + 16 * index, &bytes.concat());
    }

    fn send(&mut self, head: u16) {
        self.write(AVAIL + 4 + 2 * u64::from(self.sent % SIZE), &head.to_le_bytes());
        self.sent = self.sent.wrapping_add(1);
        self.write(AVAIL + 2, &self.sent.to_le_bytes());
    }

    fn used(&self, index: u16) -> (u32, u32) {
        let bytes: [u8; 8] = self.read(USED + 4 + 8 * u64::from(index % SIZE));
        let word = u64::from_le_bytes(bytes);
        (word as u32, (word >> 32) as u32)
    }
}

fn gather(ring: &mut Ring) -> Result<Batch, Broken> {
    let mut batch = Batch::default();
    ring.gather(&mut batch, 64).map(|_| batch)
}

#[test]
fn a_chain_is_read_written_and_given_back() {
    let mut driver = Driver::new();
    let mut ring = driver.ring(PLAIN);
    driver.descriptor(0, 3, 0x4000, 4, 1, 5);
    driver.descriptor(0, 5, 0x5000, 2, 1 | 2, 1);
    driver.descriptor(0, 1, 0x6000, 8, 2, 0);
    driver.write(0x4000, b"abcd");
    driver.send(3);
    let batch = gather(&mut ring).unwrap();
    let chain = batch.chains()[0];
    assert_eq!((chain.readable(), chain.writable()), (4, 10));
    let mut bytes = [0; 8];
    assert_eq!((batch.read(ring.memory(), &chain, 1, &mut bytes), &bytes[..3]), (3, &b"bcd"[..]));
    assert_eq!(batch.write(ring.memory(), &chain, 0, b"0123456789xy"), 10);
    assert_eq!((driver.read(0x5000), driver.read(0x6000)), (*b"01", *b"23456789"));
    ring.complete(&chain, 10);
    assert_eq!(driver.read(USED + 2), [0, 0], "not before it is published");
    assert!(ring.publish());
    assert_eq!((driver.used(0), driver.read(USED + 2)), ((3, 10), [1, 0]));
}

#[test]
fn an_indirect_table_is_followed_at_any_address() {
    let mut driver = Driver::new();
    let mut ring = driver.ring(EVENTS);
    driver.descriptor(0, 0, 0x4003, 32, 4, 0);
    driver.descriptor(0x4003, 0, 0x5000, 3, 1, 1);
    driver.descriptor(0x4003, 1, 0x6000, 4, 0, 0);
    driver.send(0);
    assert_eq!(gather(&mut ring).unwrap().chains()[0].readable(), 7);
}

#[test]
fn what_cannot_be_breaks_the_ring() {
    type Lie = fn(&mut Driver);
    let lies: [(Lie, Broken); 13] = [
        (|driver| driver.send(SIZE), Broken::Head(SIZE)),
        (|driver| driver.write(AVAIL + 2, &[9, 0]), Broken::Index(9)),
        (|driver| driver.write(AVAIL + 2, &[0xff, 0xff]), Broken::Index(0xffff)),
        (|driver| driver.descriptor(0, 0, 0x4000, 1, 1, 0), Broken::Endless),
        (|driver| driver.descriptor(0, 0, 0x4000, 1, 1, SIZE), Broken::Next(SIZE)),
        (
            |driver| driver.descriptor(0, 0, MEMORY, 1, 0, 0),
            Broken::Address { addr: MEMORY, len: 1 },
        ),
        (
            |driver| driver.descriptor(0, 0, 0, u32::MAX, 0, 0),
            Broken::Address { addr: 0, len: u32::MAX },
        ),
        (
            |driver| driver.descriptor(0, 0, u64::MAX, 2, 0, 0),
            Broken::Address { addr: u64::MAX, len: 2 },
        ),
        (|driver| driver.descriptor(0, 0, 0x4000, 17, 4, 0), Broken::Indirect(17)),
        (|driver| driver.descriptor(0, 0, 0x4000, 0, 4, 0), Broken::Indirect(0)),
        (|driver| driver.descriptor(0, 0, 0x4000, 16, 4 | 1, 0), Broken::Indirect(16)),
        (
            |driver| {
                driver.descriptor(0, 0, 0x4000, 16, 4, 0);
                driver.descriptor(0x4000, 0, 0x4000, 16, 4, 0);
            },
            Broken::Indirect(16),
        ),
        (
            |driver| {
                driver.descriptor(0, 0, 0x4000, 1, 1 | 2, 1);
                driver.descriptor(0, 1, 0x4000, 1, 0, 0);
            },
            Broken::Direction,
        ),
    ];
    for (lie, why) in lies {
        let mut driver = Driver::new();
        let mut ring = driver.ring(EVENTS);
        lie(&mut driver);
        if driver.sent == 0 && driver.read(AVAIL + 2) == [0, 0] {
            driver.send(0);
        }
        assert_eq!(gather(&mut ring).unwrap_err(), why);
    }
    let mut driver = Driver::new();
    let mut ring = driver.ring(PLAIN);
    driver.descriptor(0, 0, 0x4000, 16, 4, 0);
    driver.send(0);
    assert_eq!(gather(&mut ring).unwrap_err(), Broken::Indirect(16), "not negotiated");
}

#[test]
fn a_ring_must_be_a_power_of_two_in_memory_and_aligned() {
    let driver = Driver::new();
    let ring = |descriptors, avail, used, size| {
        let at = Addresses { descriptors, avail, used };
        Ring::new(Arc::clone(&driver.memory), at, size, EVENTS).is_some()
    };
    assert!(ring(0, AVAIL, USED, 256));
    for (descriptors, avail, used, size) in [
        (0, AVAIL, USED, 0),
        (0, AVAIL, USED, 3),
        (8, AVAIL, USED, 8),
        (0, AVAIL + 1, USED, 8),
        (0, AVAIL, USED + 2, 8),
        (MEMORY - 64, AVAIL, USED, 8),
        (0, MEMORY - 20, USED, 8),
        (0, AVAIL, MEMORY - 64, 8),
        (0, AVAIL, USED, 32768),
    ] {
        assert!(
            !ring(descriptors, avail, used, size),
            "{descriptors:#x} {avail:#x} {used:#x} {size}"
        );
    }
}

#[test]
fn a_ring_goes_on_where_the_used_index_stands() {
    let mut driver = Driver::new();
    driver.write(USED + 2, &[0xfe, 0xff]);
    driver.sent = 0xfffe;
    let mut ring = driver.ring(EVENTS);
    assert_eq!(ring.position(), 0xfffe);
    for round in 0..20_u16 {
        driver.descriptor(0, 0, 0x4000, 1, 0, 0);
        driver.send(0);
        let batch = gather(&mut ring).unwrap();
        assert_eq!(batch.chains().len(), 1, "{round}");
        ring.complete(&batch.chains()[0], 0);
        ring.publish();
    }
    assert_eq!((ring.position(), driver.read(USED + 2)), (18, [18, 0]));
}

#[test]
fn chains_that_are_taken_back_are_gathered_again() {
    let mut driver = Driver::new();
    let mut ring = driver.ring(PLAIN);
    driver.descriptor(0, 0, 0x4000, 1, 0, 0);
    driver.descriptor(0, 1, 0x4000, 2, 0, 0);
    driver.send(0);
    driver.send(1);
    assert_eq!(gather(&mut ring).unwrap().chains().len(), 2);
    ring.ungather(1);
    assert_eq!(gather(&mut ring).unwrap().chains()[0].readable(), 2);
    assert_eq!(ring.available(), Ok(0));
}

#[test]
fn both_sides_say_when_they_want_to_be_told() {
    let mut driver = Driver::new();
    let mut ring = driver.ring(EVENTS);
    driver.descriptor(0, 0, 0x4000, 1, 0, 0);
    driver.write(AVAIL + 4 + 2 * u64::from(SIZE), &[1, 0]);
    let mut publish = |driver: &mut Driver| {
        driver.send(0);
        let batch = gather(&mut ring).unwrap();
        ring.complete(&batch.chains()[0], 0);
        ring.publish()
    };
    assert_eq!(
        [publish(&mut driver), publish(&mut driver), publish(&mut driver)],
        [false, true, false]
    );
    assert!(!ring.arm().unwrap());
    assert_eq!(driver.read(USED + 4 + 8 * u64::from(SIZE)), [3, 0]);
    driver.send(0);
    assert!(ring.arm().unwrap());

    let mut plain = Driver::new().ring(PLAIN);
    assert!(!plain.publish(), "nothing was completed");
    plain.disarm();
    assert!(!plain.arm().unwrap());
}
