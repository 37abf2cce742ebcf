// SPDX-License-Identifier: MIT OR Apache-2.0
//! What it costs to look at a frame that a peer passes on, if there is nothing to complete.

use std::hint::black_box;
use std::time::Instant;

use xsk_backend::checksum::{Look, complete, look};

use crate::row::{Row, median};

const ROUNDS: usize = 21;
const LOOKS: u32 = 200_000;

/// A frame of 1514 bytes of TCP over IPv4, with a checksum that is right.
fn intact() -> Vec<u8> {
    let mut frame = [&[2; 12][..], &[8, 0, 0x45, 0], &1500_u16.to_be_bytes()].concat();
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend((0..1480_u32).map(|n| n as u8));
    // What the field holds before the sum is taken: the pseudo-header's.
    let pseudo = 0x0a00 + 1 + 0x0a00 + 2 + 6 + 1480_u16;
    frame[50..52].copy_from_slice(&pseudo.to_be_bytes());
    assert!(matches!(complete(&mut frame), Look::Unfinished(_)));
    frame
}

/// Nanoseconds of `work`, the median.
fn nanos(mut work: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        (0..LOOKS).for_each(|_| work());
        start.elapsed().as_nanos() as f64 / f64::from(LOOKS)
    });
    median(rounds.collect())
}

/// Against a copy of the frame, which each hand-over makes.
pub(crate) fn row() -> Row {
    let frame = intact();
    let mut to = vec![0; frame.len()];
    assert_eq!(look(&frame), Look::Intact);
    // As a peer asks: the answer need not be kept anywhere.
    let ours = nanos(|| assert!(matches!(look(black_box(&frame)), Look::Intact)));
    let copy = nanos(|| black_box(&mut to).copy_from_slice(black_box(&frame)));
    let how = format!(
        "the look at an intact frame of 1514 bytes against a copy of it; median of {ROUNDS} times {LOOKS}"
    );
    Row { name: "checksum, look at an intact frame", ours, reference: Some(copy), unit: "ns", how }
}
