// SPDX-License-Identifier: MIT OR Apache-2.0
//! One frame of TCP that is cut into segments: each with the frame's headers, its own lengths,
//! number and checksums. It can be left and taken up again, since there may not be room for all.
#![forbid(unsafe_code)]

use super::layout::{Layout, MOST_HEADERS, flag, put};
use crate::checksum::parse::word;
use crate::checksum::sum;

/// More than one IP packet can be, with what is before it.
pub(crate) const MOST: usize = 65535 + 22;

/// A frame and how far it is cut.
#[derive(Debug)]
pub(crate) struct Cut {
    headers: [u8; MOST_HEADERS],
    layout: Layout,
    /// Bytes of payload a segment.
    size: usize,
    /// Bytes of payload in all.
    total: usize,
    /// Bytes of payload that are sent.
    sent: usize,
    /// Segments that are sent.
    count: u16,
}

impl Cut {
    /// A frame of `len` bytes that begins with `first`, in segments of `size` bytes of payload.
    /// Nothing if its headers are not those of such a frame.
    pub(crate) fn new(first: &[u8], len: usize, size: usize, is_ip6: bool) -> Option<Self> {
        let layout = Layout::of(first).filter(|layout| layout.is_ip6 == is_ip6)?;
        let mut headers = [0; MOST_HEADERS];
        headers.get_mut(..layout.payload)?.copy_from_slice(first.get(..layout.payload)?);
        let total = len.checked_sub(layout.payload).filter(|total| *total > 0)?;
        (size > 0).then_some(Self { headers, layout, size, total, sent: 0, count: 0 })
    }

    /// Where TCP's header begins.
    pub(crate) fn tcp(&self) -> usize {
        self.layout.tcp
    }

    /// The length of the next segment's frame; nothing when all are sent.
    #[inline]
    pub(crate) fn next_len(&self) -> Option<usize> {
        let left = self.total - self.sent;
        (left > 0).then(|| self.layout.payload + left.min(self.size))
    }

    /// Makes the next segment in `to`, which is as long as that is. `read` copies bytes of the
    /// frame from an offset on.
    #[inline]
    pub(crate) fn write(&self, to: &mut [u8], read: impl FnOnce(usize, &mut [u8])) {
        let Layout { ip, tcp, payload, is_ip6 } = self.layout;
        let (headers, data) = to.split_at_mut(payload);
        headers.copy_from_slice(&self.headers[..payload]);
        read(payload + self.sent, data);
        let packet = payload + data.len() - ip;
        if is_ip6 {
            put(headers, ip + 4, (packet - 40) as u16);
        } else {
            put(headers, ip + 2, packet as u16);
            let id = word(headers, ip + 4).unwrap_or_default();
            put(headers, ip + 4, id.wrapping_add(self.count));
            put(headers, ip + 10, 0);
            put(headers, ip + 10, sum::of(&headers[ip..tcp]));
        }
        self.number(&mut headers[tcp..], self.sent + data.len() == self.total);
        let pseudo = self.layout.pseudo(to, to.len() - tcp);
        put(to, tcp + 16, 0);
        put(to, tcp + 16, !pseudo.bytes(&to[tcp..]).fold());
    }

    /// What TCP's header says of this segment alone: what comes first is told by the first, what
    /// comes last by the last.
    #[inline]
    fn number(&self, tcp: &mut [u8], is_last: bool) {
        if let Some(place) = tcp.get_mut(4..).and_then(<[u8]>::first_chunk_mut) {
            *place = u32::from_be_bytes(*place).wrapping_add(self.sent as u32).to_be_bytes();
        }
        if self.sent > 0 {
            tcp[13] &= !flag::CWR;
        }
        if !is_last {
            tcp[13] &= !(flag::FIN | flag::PSH);
        }
    }

    /// Goes on to the segment after the one that was written.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.sent += (self.total - self.sent).min(self.size);
        self.count = self.count.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Dice, Sample, verify};
    use super::*;

    fn cut(frame: &[u8], size: usize, is_ip6: bool) -> Vec<Vec<u8>> {
        let first = &frame[..frame.len().min(MOST_HEADERS)];
        let mut cut = Cut::new(first, frame.len(), size, is_ip6).unwrap();
        let mut segments = vec![];
        while let Some(len) = cut.next_len() {
            let mut to = vec![0xee; len];
            cut.write(&mut to, |at, to| to.copy_from_slice(&frame[at..at + to.len()]));
            cut.advance();
            segments.push(to);
        }
        segments
    }

    #[test]
    fn segments_of_random_frames_are_sound_and_hold_every_byte() {
        let mut dice = Dice::new(7);
        for _ in 0..400 {
            let len = 1 + dice.below(20_000);
            let sample = Sample::random(&mut dice, len);
            let frame = sample.frame();
            let size = 1 + dice.below(3000);
            let segments = cut(&frame, size, sample.is_ip6);
            let layout = Layout::of(&frame).unwrap();
            assert_eq!(segments.len(), (frame.len() - layout.payload).div_ceil(size));
            let mut payload = vec![];
            for (at, segment) in segments.iter().enumerate() {
                assert!(verify(segment), "{sample:?} segment {at}");
                let here = Layout::of(segment).unwrap();
                assert_eq!(here, layout);
                assert_eq!(here.end(segment), Some(segment.len()));
                let seq = u32::from_be_bytes(*segment[here.tcp + 4..].first_chunk().unwrap());
                assert_eq!(seq, sample.seq.wrapping_add(payload.len() as u32));
                if !sample.is_ip6 {
                    assert_eq!(word(segment, here.ip + 4), Some(sample.id.wrapping_add(at as u16)));
                }
                let (first, last) = (at == 0, at + 1 == segments.len());
                let kept = if first { 0xff } else { !flag::CWR }
                    & if last { 0xff } else { !(flag::FIN | flag::PSH) };
                assert_eq!(segment[here.tcp + 13], sample.flags & kept);
                payload.extend_from_slice(&segment[here.payload..]);
            }
            assert_eq!(payload, frame[layout.payload..]);
        }
    }

    #[test]
    fn what_is_no_such_frame_is_not_cut() {
        let mut dice = Dice::new(8);
        let sample = Sample { is_ip6: false, ..Sample::random(&mut dice, 5000) };
        let frame = sample.frame();
        let first = &frame[..MOST_HEADERS];
        assert!(Cut::new(first, frame.len(), 1000, true).is_none(), "the other protocol");
        assert!(Cut::new(first, frame.len(), 0, false).is_none(), "segments of nothing");
        let layout = Layout::of(&frame).unwrap();
        assert!(Cut::new(first, layout.payload, 1000, false).is_none(), "no payload");
        assert!(
            Cut::new(&first[..layout.payload - 1], frame.len(), 1000, false).is_none(),
            "cut short"
        );
        for (at, value) in
            [(layout.ip + 9, 17), (layout.ip + 6, 0x20), (layout.ip, 0x44), (layout.tcp + 12, 0x40)]
        {
            let mut bad = first.to_vec();
            bad[at] = value;
            assert!(Cut::new(&bad, frame.len(), 1000, false).is_none(), "byte {at}");
        }
    }
}
