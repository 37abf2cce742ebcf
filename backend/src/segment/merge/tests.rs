// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random streams that are cut and merged, and each reason for which segments stay apart.

use super::super::cut::Cut;
use super::super::samples::{Dice, Sample, finish};
use super::*;

const BOTH: [bool; 2] = [true, true];

fn plan(frames: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut plan = Plan::default();
    plan.make(&frames, BOTH);
    plan.groups().iter().map(|group| plan.members(group).collect()).collect()
}

/// Segments of a stream: random cuts of `size` bytes and a last shorter one.
fn stream(dice: &mut Dice, count: usize, size: usize) -> Vec<Vec<u8>> {
    let len = size * (count - 1) + 1 + dice.below(size);
    let sample = Sample { flags: flag::ACK, ..Sample::random(dice, len) };
    cut(&sample.frame(), size)
}

fn cut(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let layout = Layout::of(frame).unwrap();
    let mut cut = Cut::new(&frame[..layout.payload], frame.len(), size, layout.is_ip6).unwrap();
    let mut segments = vec![];
    while let Some(len) = cut.next_len() {
        let mut to = vec![0; len];
        cut.write(&mut to, |at, to| to.copy_from_slice(&frame[at..at + to.len()]));
        cut.advance();
        segments.push(to);
    }
    segments
}

/// The frame that the first group becomes.
fn merged(frames: &[Vec<u8>]) -> Vec<u8> {
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut plan = Plan::default();
    plan.make(&frames, BOTH);
    let (group, mut space) = (plan.groups()[0], [0; 256]);
    let merged = group.headers(&frames, &mut space).unwrap();
    let mut frame = merged.headers.to_vec();
    for number in plan.members(&group) {
        frame.extend_from_slice(&frames[number][frame_headers(frames[number])..]);
    }
    assert_eq!(frame.len(), merged.len);
    frame
}

fn frame_headers(frame: &[u8]) -> usize {
    Layout::of(frame).unwrap().payload
}

#[test]
fn random_streams_are_merged_and_cut_into_the_same_bytes() {
    let mut dice = Dice::new(21);
    for _ in 0..300 {
        let (count, size) = (2 + dice.below(20), 1 + dice.below(2000));
        let segments = stream(&mut dice, count, size);
        assert_eq!(plan(&segments), [(0..count).collect::<Vec<_>>()]);
        assert_eq!(cut(&merged(&segments), size), segments);
    }
}

#[test]
fn a_merged_frame_leaves_its_checksum_to_the_guest() {
    let segments = stream(&mut Dice::new(22), 5, 1000);
    let mut frame = merged(&segments);
    assert!(matches!(crate::checksum::complete(&mut frame), crate::checksum::Look::Unfinished(_)));
    assert!(super::super::samples::verify(&frame));
}

/// Each bit of a segment in the middle, one after the other: it stays alone, as it is.
#[test]
fn a_segment_with_any_bit_flipped_stays_alone() {
    for is_ip6 in [false, true] {
        let mut dice = Dice::new(23);
        let sample = Sample {
            is_ip6,
            tagged: true,
            options: 12,
            flags: flag::ACK,
            ..Sample::random(&mut dice, 300)
        };
        let segments = cut(&sample.frame(), 100);
        let ip = Layout::of(&segments[1]).unwrap().ip;
        for bit in 8 * ip..8 * segments[1].len() {
            let mut damaged = segments.clone();
            damaged[1][bit / 8] ^= 1 << (bit % 8);
            let groups = plan(&damaged);
            // Nobody sums up the class and the label of IPv6; they have to be alike.
            assert!(groups.contains(&vec![1]), "bit {bit}: {groups:?}");
        }
    }
}

/// What must not be merged, with checksums that are right.
#[test]
fn what_would_be_lost_is_not_merged() {
    let mut dice = Dice::new(24);
    type Change = fn(&mut Vec<u8>, Layout);
    let both: [(&str, Change); 12] = [
        ("FIN", |frame, at| frame[at.tcp + 13] |= 0x01),
        ("SYN", |frame, at| frame[at.tcp + 13] |= 0x02),
        ("RST", |frame, at| frame[at.tcp + 13] |= 0x04),
        ("URG", |frame, at| frame[at.tcp + 13] |= 0x20),
        ("ECE", |frame, at| frame[at.tcp + 13] |= 0x40),
        ("CWR", |frame, at| frame[at.tcp + 13] |= 0x80),
        ("no ACK", |frame, at| frame[at.tcp + 13] &= !0x10),
        ("reserved bits", |frame, at| frame[at.tcp + 12] |= 1),
        ("acknowledgement", |frame, at| frame[at.tcp + 11] ^= 1),
        ("window", |frame, at| frame[at.tcp + 15] ^= 1),
        ("options", |frame, at| frame[at.tcp + 20] ^= 2),
        ("number", |frame, at| frame[at.tcp + 7] ^= 1),
    ];
    let ip4: [(&str, Change); 4] = [
        ("TOS", |frame, at| frame[at.ip + 1] |= 4),
        ("CE", |frame, at| frame[at.ip + 1] |= 3),
        ("TTL", |frame, at| frame[at.ip + 8] ^= 1),
        ("DF", |frame, at| frame[at.ip + 6] ^= 0x40),
    ];
    let ip6: [(&str, Change); 4] = [
        ("class", |frame, at| frame[at.ip] |= 1),
        ("CE", |frame, at| frame[at.ip + 1] |= 0x30),
        ("label", |frame, at| frame[at.ip + 3] ^= 1),
        ("hop limit", |frame, at| frame[at.ip + 7] ^= 1),
    ];
    for (is_ip6, own) in [(false, ip4), (true, ip6)] {
        let sample =
            Sample { is_ip6, options: 12, flags: flag::ACK, ..Sample::random(&mut dice, 300) };
        for (what, change) in both.iter().chain(&own) {
            let mut segments = cut(&sample.frame(), 100);
            let layout = Layout::of(&segments[1]).unwrap();
            change(&mut segments[1], layout);
            finish(&mut segments[1]);
            assert!(plan(&segments).contains(&vec![1]), "{what}");
        }
    }
}

#[test]
fn the_end_of_a_push_and_a_shorter_segment_end_a_group() {
    let mut dice = Dice::new(25);
    let sample = Sample { options: 0, flags: flag::ACK, ..Sample::random(&mut dice, 500) };
    let mut segments = cut(&sample.frame(), 100);
    let layout = Layout::of(&segments[2]).unwrap();
    segments[2][layout.tcp + 13] |= flag::PSH;
    finish(&mut segments[2]);
    assert_eq!(plan(&segments), [vec![0, 1, 2], vec![3, 4]]);
    let merged = merged(&segments);
    assert_eq!(merged[layout.tcp + 13], flag::ACK | flag::PSH);
    // A longer one does not follow a shorter one.
    let parts = [cut(&sample.frame(), 80)[0].clone(), segments[1].clone()];
    assert_eq!(plan(&parts), [vec![0], vec![1]]);
}

#[test]
fn flows_are_kept_apart_and_in_order() {
    let mut dice = Dice::new(26);
    let mut streams: Vec<_> = (0..3).map(|_| stream(&mut dice, 4, 100)).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        for segment in stream {
            let layout = Layout::of(segment).unwrap();
            segment[layout.tcp + 1] = number as u8;
            finish(segment);
        }
    }
    let mixed: Vec<_> =
        (0..4).flat_map(|at| [0, 1, 2].map(|stream: usize| streams[stream][at].clone())).collect();
    assert_eq!(plan(&mixed), [vec![0, 3, 6, 9], vec![1, 4, 7, 10], vec![2, 5, 8, 11]]);
    // A frame that may be of any of the flows is overtaken by none; one of no flow by all.
    let with = |frame: Vec<u8>| plan(&[streams[0][0].clone(), frame, streams[0][1].clone()]);
    let mut padded = streams[1][0].clone();
    padded.push(0);
    assert_eq!(with(padded), [[0], [1], [2]]);
    assert_eq!(with([&[0xff; 12][..], &[8, 6], &[0; 46]].concat()), [vec![0, 2], vec![1]]);
}

#[test]
fn what_the_guest_does_not_want_is_not_merged() {
    let segments = stream(&mut Dice::new(27), 3, 100);
    let frames: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
    let mut plan = Plan::default();
    plan.make(&frames, [false, false]);
    assert_eq!(plan.groups().len(), 3);
}

#[test]
fn a_packet_stays_one() {
    let mut dice = Dice::new(28);
    let mut segments = stream(&mut dice, 40, 1448);
    let more = segments.len();
    let groups = plan(&segments);
    assert_eq!(groups.len(), 1);
    // What is more than 64 KiB is begun anew.
    let last = segments[more - 2].clone();
    let layout = Layout::of(&last).unwrap();
    segments.pop();
    let mut seq = u32::from_be_bytes(*last[layout.tcp + 4..].first_chunk().unwrap());
    for _ in 0..10 {
        let mut next = last.clone();
        seq = seq.wrapping_add(1448);
        next[layout.tcp + 4..layout.tcp + 8].copy_from_slice(&seq.to_be_bytes());
        let id = word(segments.last().unwrap(), layout.ip + 4).unwrap().wrapping_add(1);
        if !layout.is_ip6 {
            put(&mut next, layout.ip + 4, id);
        }
        finish(&mut next);
        segments.push(next);
    }
    let groups = plan(&segments);
    assert_eq!((groups.len(), groups[0].len() * 1448 < LONGEST), (2, true));
}
