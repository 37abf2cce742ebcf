// SPDX-License-Identifier: MIT OR Apache-2.0
//! For tests: random frames of TCP, and a check of checksums that shares no code with what is
//! tested.

use super::layout::{Layout, flag};

/// Random numbers, the same in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.roll() >> 16) as usize % limit
    }
}

/// What a frame is made of.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) is_ip6: bool,
    pub(super) tagged: bool,
    pub(super) options: usize,
    pub(super) id: u16,
    pub(super) seq: u32,
    pub(super) flags: u8,
    pub(super) payload: Vec<u8>,
}

impl Sample {
    pub(super) fn random(dice: &mut Dice, len: usize) -> Self {
        Self {
            is_ip6: dice.below(2) == 0,
            tagged: dice.below(3) == 0,
            options: 4 * dice.below(11),
            id: dice.roll() as u16,
            // Near the end of the numbers, so that they wrap.
            seq: u32::MAX - dice.below(30_000) as u32,
            flags: flag::ACK | dice.roll() as u8 & (flag::FIN | flag::PSH | flag::CWR | flag::ECE),
            payload: (0..len).map(|_| dice.roll() as u8).collect(),
        }
    }

    /// The frame with all its checksums.
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(self.tagged.then_some([0x81, 0, 0, 7]).into_iter().flatten());
        let segment = 20 + self.options + self.payload.len();
        if self.is_ip6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((segment as u16).to_be_bytes());
            frame.extend([6, 64]);
            frame.extend([0xfd; 16].iter().chain(&[0xfe; 16]));
        } else {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((segment as u16).wrapping_add(20).to_be_bytes());
            frame.extend(self.id.to_be_bytes());
            frame.extend([0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        }
        frame.extend([0x12, 0x34, 0x56, 0x78]);
        frame.extend(self.seq.to_be_bytes());
        frame.extend([
            1,
            2,
            3,
            4,
            (5 + self.options as u8 / 4) << 4,
            self.flags,
            0xff,
            0,
            0,
            0,
            0,
            0,
        ]);
        frame.extend(vec![1; self.options]);
        frame.extend(&self.payload);
        finish(&mut frame);
        frame
    }
}

/// Writes the checksums of a frame anew.
pub(super) fn finish(frame: &mut [u8]) {
    let layout = Layout::of(frame).unwrap();
    let Layout { ip, tcp, is_ip6, .. } = layout;
    if !is_ip6 {
        frame[ip + 10..ip + 12].fill(0);
        let sum = !add(0, &frame[ip..tcp]);
        frame[ip + 10..ip + 12].copy_from_slice(&sum.to_be_bytes());
    }
    frame[tcp + 16..tcp + 18].fill(0);
    let sum = !segment(frame, &layout);
    frame[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
}

/// Whether all checksums are right.
pub(super) fn verify(frame: &[u8]) -> bool {
    let layout = Layout::of(frame).unwrap();
    let header = layout.is_ip6 || add(0, &frame[layout.ip..layout.tcp]) == 0xffff;
    header && segment(frame, &layout) == 0xffff
}

/// The sum of a segment and its pseudo-header.
fn segment(frame: &[u8], layout: &Layout) -> u16 {
    let segment = &frame[layout.tcp..];
    let addresses =
        if layout.is_ip6 { layout.ip + 8..layout.tcp } else { layout.ip + 12..layout.ip + 20 };
    let pseudo = [&frame[addresses], &[0, 6], &(segment.len() as u16).to_be_bytes()].concat();
    add(add(0, &pseudo), segment)
}

/// RFC 1071, word by word.
fn add(start: u16, bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(start, |sum, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, over) = sum.overflowing_add(word);
        sum + u16::from(over)
    })
}
