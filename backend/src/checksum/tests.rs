// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames of every shape, as a sender leaves them and as a card would have sent them, held against
//! a checksum that is computed here in another way.

use super::{Look, complete, look};

/// Numbers that look random, and are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.number() % most as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.number() as u8).collect()
    }
}

/// A frame, and where its checksum is.
#[derive(Clone)]
struct Sample {
    frame: Vec<u8>,
    start: usize,
    field: usize,
    end: usize,
    /// Addresses, protocol and length, as the pseudo-header has them.
    pseudo: Vec<u8>,
}

/// The Internet checksum by its definition: words of 16 bits, each carry brought in at once.
fn plain_sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    words.fold(0_u16, |sum, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

impl Sample {
    /// Any mix of tags, options, extension headers, protocols, lengths and padding.
    fn any(dice: &mut Dice) -> Self {
        let mut frame = dice.bytes(12);
        for _ in 0..dice.below(3) {
            frame.extend([[0x81, 0x00], [0x88, 0xa8], [0x91, 0x00]][dice.below(3)]);
            frame.extend(dice.bytes(2));
        }
        let protocol = [6, 17][dice.below(2)];
        let length = dice.below(1400) + if protocol == 6 { 20 } else { 8 };
        let addresses = match dice.below(2) {
            0 => ip4(&mut frame, dice, protocol, length),
            _ => ip6(&mut frame, dice, protocol, length),
        };
        let start = frame.len();
        frame.extend(dice.bytes(length));
        if protocol == 17 {
            frame[start + 4..start + 6].copy_from_slice(&(length as u16).to_be_bytes());
        }
        let end = frame.len();
        let padding = dice.below(20);
        frame.extend(dice.bytes(padding));
        let rest = [0, 0, (length >> 8) as u8, length as u8, 0, 0, 0, protocol];
        let pseudo = [&addresses[..], &rest].concat();
        let mut sample =
            Self { frame, start, field: start + if protocol == 6 { 16 } else { 6 }, end, pseudo };
        sample.set(0);
        sample
    }

    fn set(&mut self, value: u16) {
        self.frame[self.field..self.field + 2].copy_from_slice(&value.to_be_bytes());
    }

    fn get(&self) -> u16 {
        u16::from_be_bytes([self.frame[self.field], self.frame[self.field + 1]])
    }

    fn segment(&self) -> &[u8] {
        &self.frame[self.start..self.end]
    }

    fn is_right(&self) -> bool {
        plain_sum(&[&self.pseudo, self.segment()]) == 0xffff
    }

    /// What a sender writes that leaves the rest to its card.
    fn unfinished(mut self) -> Self {
        self.set(plain_sum(&[&self.pseudo]));
        self
    }

    /// What goes over a wire. `self` has 0 in the field.
    fn finished(mut self) -> Self {
        self.set(!plain_sum(&[&self.pseudo, self.segment()]));
        if self.get() == 0 && self.pseudo.ends_with(&[17]) {
            self.set(0xffff);
        }
        self
    }

    /// The same with its first address such that the pseudo-header has this sum.
    fn with_pseudo_sum(mut self, wanted: u16) -> Self {
        let length = self.pseudo.len() - 8;
        let addresses = &self.pseudo[..length];
        let at = self.frame.windows(length).position(|window| window == addresses).unwrap();
        self.pseudo[..2].fill(0);
        let word = plain_sum(&[
            &[(wanted >> 8) as u8, wanted as u8],
            &(!plain_sum(&[&self.pseudo])).to_be_bytes(),
        ]);
        self.pseudo[..2].copy_from_slice(&word.to_be_bytes());
        self.frame[at..at + 2].copy_from_slice(&word.to_be_bytes());
        self
    }

    /// The same with its last two bytes such that the finished checksum is `wanted`.
    fn with_checksum(mut self, wanted: u16) -> Self {
        let at = (self.end - 2) & !1 | self.start & 1;
        self.frame[at..at + 2].fill(0);
        let without = plain_sum(&[&self.pseudo, self.segment(), &wanted.to_be_bytes()]);
        self.frame[at..at + 2].copy_from_slice(&(!without).to_be_bytes());
        self
    }
}

fn ip4(frame: &mut Vec<u8>, dice: &mut Dice, protocol: u8, length: usize) -> Vec<u8> {
    let options = dice.below(11) * 4;
    let total = (20 + options + length) as u16;
    let addresses = dice.bytes(8);
    frame.extend([8, 0, 0x45 + (options / 4) as u8, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([1, 2, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend(&addresses);
    frame.extend(dice.bytes(options));
    addresses
}

fn ip6(frame: &mut Vec<u8>, dice: &mut Dice, protocol: u8, length: usize) -> Vec<u8> {
    let mut headers = vec![];
    let mut next = protocol;
    for _ in 0..dice.below(3) {
        let units = dice.below(3);
        let options = dice.bytes(units * 8 + 6);
        headers = [&[next, units as u8], &options[..], &headers].concat();
        next = [0, 43, 60][dice.below(3)];
    }
    let addresses = dice.bytes(32);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(((headers.len() + length) as u16).to_be_bytes());
    frame.extend([next, 64]);
    frame.extend(&addresses);
    frame.extend(headers);
    addresses
}

fn untouched(mut sample: Sample) {
    let before = sample.frame.clone();
    complete(&mut sample.frame);
    assert!(before == sample.frame, "changed at {}..{}: {before:02x?}", sample.start, sample.end);
}

#[test]
fn an_intact_frame_is_never_changed() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4000 {
        let sample = Sample::any(&mut dice);
        assert!(sample.clone().finished().is_right());
        untouched(sample.clone().finished());
        // No checksum at all, as UDP over IPv4 may have it; and one that is wrong in any way but
        // the one.
        untouched(sample.clone());
        let mut wrong = sample.clone();
        let value = dice.number() as u16;
        wrong.set(value);
        if value != sample.clone().unfinished().get() {
            untouched(wrong);
        }
        // The right checksum happens to be the pseudo-header's sum.
        if sample.end - sample.start >= 24 {
            let pseudo = sample.clone().unfinished().get();
            let mut lucky = sample.clone().with_checksum(pseudo);
            lucky.set(pseudo);
            assert!(lucky.is_right() && look(&lucky.frame) != Look::Intact);
            untouched(lucky);
        }
    }
}

#[test]
fn an_intact_frame_whose_checksum_is_all_ones_is_not_changed() {
    let mut dice = Dice(3);
    for _ in 0..1000 {
        let sample = Sample::any(&mut dice);
        if sample.end - sample.start < 24 {
            continue;
        }
        let mut lucky = sample.with_pseudo_sum(0xffff).with_checksum(0xffff);
        lucky.set(0xffff);
        assert!(lucky.is_right() && look(&lucky.frame) != Look::Intact);
        untouched(lucky);
    }
}

#[test]
fn an_unfinished_frame_becomes_what_a_card_would_have_sent() {
    let mut dice = Dice(0x0123_4567_89ab_cdef);
    for _ in 0..4000 {
        let sample = Sample::any(&mut dice);
        let mut given = sample.clone().unfinished();
        let was = complete(&mut given.frame);
        let expected = sample.finished();
        assert!(given.frame == expected.frame, "{:02x?} {:02x?}", given.frame, expected.frame);
        assert!(matches!(was, Look::Unfinished(_)) || was == Look::Intact);
        assert_eq!(complete(&mut given.frame), Look::Intact, "once is enough");
    }
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_all_ones() {
    let mut dice = Dice(77);
    let udp = |sample: &Sample| sample.pseudo.ends_with(&[17]) && sample.end - sample.start >= 24;
    let sample = std::iter::repeat_with(|| Sample::any(&mut dice)).find(udp).unwrap();
    let mut sample = sample.with_checksum(0).unfinished();
    assert!(matches!(complete(&mut sample.frame), Look::Unfinished(_)));
    assert_eq!(sample.get(), 0xffff);
}

/// Cut anywhere, with any byte changed: nothing is read or written beyond the frame, and nothing
/// but the field.
#[test]
fn a_header_that_lies_does_no_harm() {
    let mut dice = Dice(0xdead_beef);
    for _ in 0..3000 {
        let sample = Sample::any(&mut dice).unfinished();
        let mut frame = sample.frame[..dice.below(sample.frame.len() + 1)].to_vec();
        for _ in 0..dice.below(4) {
            let at = dice.below(sample.start + 20);
            if let Some(byte) = frame.get_mut(at) {
                *byte = dice.number() as u8;
            }
        }
        let before = frame.clone();
        complete(&mut frame);
        assert!(before.iter().zip(&frame).filter(|(a, b)| a != b).count() <= 2);
    }
}

#[test]
fn fragments_and_cut_packets_are_left_alone() {
    let mut dice = Dice(5);
    let is_ip4 = |sample: &Sample| sample.frame[12..14] == [8, 0];
    let sample =
        std::iter::repeat_with(|| Sample::any(&mut dice)).find(is_ip4).unwrap().unfinished();
    for (at, value) in [(20, 0x20), (20, 1), (21, 1)] {
        let mut fragment = sample.clone();
        fragment.frame[at] = value;
        untouched(fragment);
    }
    let mut cut = sample;
    cut.frame.truncate(cut.end - 1);
    untouched(cut);
}

/// The packet of an unfinished sample without its Ethernet header, in a tunnel.
fn tunnelled(protocol: u8, header: &[u8], inner: &[u8]) -> Vec<u8> {
    let total = (20 + header.len() + inner.len()) as u16;
    let mut frame = [&[2; 12][..], &[8, 0, 0x45, 0], &total.to_be_bytes()].concat();
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(header);
    frame.extend(inner);
    frame
}

#[test]
fn what_is_unfinished_inside_a_tunnel_is_seen_and_left_alone() {
    let mut dice = Dice(6);
    let plain = |sample: &Sample| sample.frame[12..14] == [8, 0];
    let sample = std::iter::repeat_with(|| Sample::any(&mut dice)).find(plain).unwrap();
    let udp = |port: u16, more: &[u8], inner: &[u8]| {
        let length = (8 + more.len() + inner.len()) as u16;
        [&[0, 9][..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], more].concat()
    };
    let of = |inner: &[u8]| {
        let packet = &inner[14..];
        let geneve = [2, 0, 0x65, 0x58, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        [
            tunnelled(4, &[], packet),
            tunnelled(47, &[0, 0, 8, 0], packet),
            tunnelled(47, &[0xb0, 0, 0x65, 0x58, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], inner),
            tunnelled(17, &udp(4789, &[8, 0, 0, 0, 0, 0, 1, 0], inner), inner),
            tunnelled(17, &udp(6081, &geneve, inner), inner),
        ]
    };
    for (number, mut frame) in of(&sample.clone().unfinished().frame).into_iter().enumerate() {
        let before = frame.clone();
        assert_eq!((complete(&mut frame), &frame), (Look::Inner, &before), "{number}");
    }
    for frame in of(&sample.finished().frame) {
        assert_eq!(look(&frame), Look::Intact);
    }
}

#[test]
fn virtio_is_told_where_the_field_is() {
    let sample = Sample::any(&mut Dice(8)).unfinished();
    let Look::Unfinished(found) = look(&sample.frame) else { panic!("not seen") };
    assert_eq!(
        (found.start, found.start + found.offset, found.end),
        (sample.start, sample.field, sample.end)
    );
}
