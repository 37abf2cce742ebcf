// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is not a message is refused, with the right word, and costs no memory.
//!
//! The allocator of this test counts, so it is a test binary of its own, and counts by thread.
#![allow(unsafe_code, clippy::unwrap_used)]

mod page;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use xsk_proto::codec::{DecodeError, decode_reply, decode_request, encode_request};
use xsk_proto::{Acquire, MAX_PARAMS, MAX_REPLY, MAX_REQUEST, ModeRequest, Param, Request, Value};

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; a counter without a destructor is
// all that is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|sum| sum.set(sum.get() + layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on; the block came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The bytes that `work` allocated in all, freed ones included.
fn allocated<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATED.get();
    let value = work();
    (ALLOCATED.get() - before, value)
}

/// Decodes as the vector's direction; what comes out is of no interest here.
fn decode(direction: &str, packet: &[u8]) -> Result<(), DecodeError> {
    match direction {
        "request" => decode_request(packet).map(drop),
        _ => decode_reply(packet).map(drop),
    }
}

#[test]
fn every_truncation_is_malformed() {
    let vectors = page::vectors();
    assert!(vectors.len() >= 14);
    for vector in vectors {
        for end in 0..vector.packet.len() {
            let verdict = decode(vector.direction, &vector.packet[..end]);
            assert_eq!(verdict, Err(DecodeError::Malformed), "{} cut to {end} bytes", vector.name);
        }
    }
}

#[test]
fn a_byte_more_is_malformed() {
    for mut vector in page::vectors() {
        vector.packet.push(0);
        let verdict = decode(vector.direction, &vector.packet);
        assert_eq!(verdict, Err(DecodeError::Malformed), "{}", vector.name);
    }
}

#[test]
fn an_unknown_message_is_unsupported() {
    for (direction, number) in
        [("request", 5_u32), ("request", u32::MAX), ("reply", 7), ("reply", 1 << 31)]
    {
        let verdict = decode(direction, &number.to_le_bytes());
        assert_eq!(verdict, Err(DecodeError::Unsupported), "{direction} {number}");
    }
}

/// The vector's packet with one value in it replaced.
fn patched(name: &str, at: usize, bytes: &[u8]) -> (&'static str, Vec<u8>) {
    let vector = page::vectors().into_iter().find(|vector| vector.name == name).unwrap();
    let mut packet = vector.packet;
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    (vector.direction, packet)
}

#[test]
fn values_that_a_type_cannot_have() {
    let cases: [(&str, usize, &[u8], DecodeError); 7] = [
        ("acquire", 24, &3_u32.to_le_bytes(), DecodeError::Unsupported), // a mode
        ("refused", 4, &99_u32.to_le_bytes(), DecodeError::Unsupported), // a code
        ("event", 4, &8_u32.to_le_bytes(), DecodeError::Unsupported),    // a kind
        ("acquire", 12, &[0xff], DecodeError::Malformed),                // UTF-8
        ("status-empty", 20, &[2], DecodeError::Malformed),              // a bool
        ("verdict", 25, &[2], DecodeError::Malformed),                   // an option's first byte
        ("acquire-params", 63, &[2], DecodeError::Malformed),            // a flag
    ];
    for (name, at, bytes, error) in cases {
        let (direction, packet) = patched(name, at, bytes);
        assert_eq!(decode(direction, &packet), Err(error), "{name} at {at}");
    }
}

#[test]
fn a_long_packet_is_too_large() {
    assert_eq!(decode_request(&vec![0; MAX_REQUEST + 1]), Err(DecodeError::TooLarge));
    assert_eq!(decode_request(&vec![0; MAX_REQUEST]), Err(DecodeError::Malformed));
    assert_eq!(decode_reply(&vec![0; MAX_REPLY + 1]), Err(DecodeError::TooLarge));
}

#[test]
fn too_many_options_are_too_large() {
    let param = Param { name: "frags".to_owned(), value: Value::Flag(true) };
    let request = |count| {
        let params = vec![param.clone(); count];
        Request::Acquire(Acquire {
            ifname: "eth1".to_owned(),
            first_queue: 0,
            queues: 1,
            mode: ModeRequest::Auto,
            params,
        })
    };
    let packet = |count| encode_request(&request(count)).unwrap();
    assert!(decode_request(&packet(MAX_PARAMS)).is_ok());
    assert_eq!(decode_request(&packet(MAX_PARAMS + 1)), Err(DecodeError::TooLarge));
}

/// Offsets of the lengths in two vectors: a string in front, and the list of options, warnings or
/// leases.
const LENGTHS: [(&str, usize); 6] = [
    ("acquire", 4),
    ("acquire", 28),
    ("refused", 8),
    ("granted", 153),
    ("status-empty", 4),
    ("status-empty", 12),
];

#[test]
fn a_length_that_cannot_be_costs_nothing() {
    for (name, at) in LENGTHS {
        for length in [4 << 30, u64::MAX, u64::from(u32::MAX), 1 << 40, 70_000] {
            let (direction, packet) = patched(name, at, &length.to_le_bytes());
            let (bytes, verdict) = allocated(|| decode(direction, &packet));
            assert_eq!(verdict, Err(DecodeError::Malformed), "{name} at {at}: {length}");
            assert!(bytes <= 16 * packet.len(), "{name} at {at}: {length} allocated {bytes} bytes");
        }
    }
}

#[test]
fn four_gigabytes_in_eight_bytes_allocate_nothing() {
    for request in [1_u32, 3, 4] {
        let mut packet = request.to_le_bytes().to_vec();
        packet.extend_from_slice(&(4_u64 << 30).to_le_bytes());
        let (bytes, verdict) = allocated(|| decode_request(&packet));
        assert_eq!((bytes, verdict), (0, Err(DecodeError::Malformed)), "request {request}");
    }
}

#[test]
fn a_valid_packet_costs_little() {
    for vector in page::vectors() {
        let (bytes, verdict) = allocated(|| decode(vector.direction, &vector.packet));
        assert_eq!(verdict, Ok(()), "{}", vector.name);
        assert!(bytes <= 16 * vector.packet.len(), "{} allocated {bytes} bytes", vector.name);
    }
}
