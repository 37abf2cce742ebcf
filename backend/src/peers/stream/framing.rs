// SPDX-License-Identifier: MIT OR Apache-2.0
//! The framing of QEMU's `-netdev stream`: the frame's length in four bytes, big-endian, then the
//! frame (`net_stream_receive` in net/stream.c, `net_fill_rstate` in net/net.c).
#![forbid(unsafe_code)]

use std::io;

/// The longest frame that QEMU sends or takes (`NET_BUFSIZE` in include/net/net.h).
pub(super) const LONGEST: usize = 4096 + 65536;

const PREFIX: usize = 4;
const BUFFER: usize = 256 << 10;

/// The other side does not speak this protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLength(pub(super) usize);

/// Appends a frame with its length.
pub(super) fn append(out: &mut Vec<u8>, frame: &[u8]) {
    out.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    out.extend_from_slice(frame);
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub(super) struct Deframer {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Deframer {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER], start: 0, end: 0 }
    }

    /// Lets `read` put bytes behind those that are there, and says how many it did.
    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let count = read(&mut self.buffer[self.end..])?;
        self.end = (self.end + count).min(BUFFER);
        Ok(count)
    }

    /// The next frame, if it is there in full.
    pub(super) fn frame(&self) -> Result<Option<&[u8]>, BadLength> {
        let Some((prefix, rest)) = self.buffer[self.start..self.end].split_first_chunk::<PREFIX>()
        else {
            return Ok(None);
        };
        match u32::from_be_bytes(*prefix) as usize {
            len if len > LONGEST => Err(BadLength(len)),
            len => Ok(rest.get(..len)),
        }
    }

    /// Drops the frame that [`frame`](Self::frame) showed.
    pub(super) fn consume(&mut self, len: usize) {
        self.start = (self.start + PREFIX + len).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(deframer: &mut Deframer, bytes: &[u8]) {
        let count = deframer.fill(|buffer| {
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        });
        assert_eq!(count.unwrap(), bytes.len());
    }

    fn frames(deframer: &mut Deframer) -> Vec<Vec<u8>> {
        let mut frames = vec![];
        while let Some(frame) = deframer.frame().unwrap().map(<[u8]>::to_vec) {
            deframer.consume(frame.len());
            frames.push(frame);
        }
        frames
    }

    #[test]
    fn a_length_is_big_endian() {
        let mut out = vec![];
        append(&mut out, &[7; 258]);
        assert_eq!(out[..5], [0, 0, 1, 2, 7]);
    }

    #[test]
    fn several_frames_a_read_and_several_reads_a_frame() {
        let expected: Vec<Vec<u8>> = (1..40_usize).map(|len| vec![len as u8; len * 7]).collect();
        let mut bytes = vec![];
        expected.iter().for_each(|frame| append(&mut bytes, frame));
        for step in [1, 3, 5, 64, 1000, bytes.len()] {
            let mut deframer = Deframer::new();
            let mut got = vec![];
            for piece in bytes.chunks(step) {
                feed(&mut deframer, piece);
                got.extend(frames(&mut deframer));
            }
            assert_eq!(got, expected, "in pieces of {step}");
        }
    }

    #[test]
    fn the_longest_frame_fits_and_a_longer_one_is_an_error() {
        let mut deframer = Deframer::new();
        let mut bytes = vec![];
        append(&mut bytes, &vec![1; LONGEST]);
        feed(&mut deframer, &bytes);
        assert_eq!(frames(&mut deframer)[0].len(), LONGEST);
        feed(&mut deframer, &(LONGEST as u32 + 1).to_be_bytes());
        assert_eq!(deframer.frame(), Err(BadLength(LONGEST + 1)));
    }

    #[test]
    fn an_empty_frame_is_a_frame() {
        let mut deframer = Deframer::new();
        feed(&mut deframer, &[0, 0, 0, 0, 0, 0, 0, 1, 9]);
        assert_eq!(frames(&mut deframer), [vec![], vec![9]]);
    }
}
