// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames of several buffers (`XDP_USE_SG`): joined when they are received, so that whoever looks
//! at a frame sees one slice, and taken apart again where one is sent back in its place.
#![forbid(unsafe_code)]

use crate::sys::Umem;

/// The longest frame that is put together: 64 KiB and what stands before an IP packet. A ring that
/// announces more was not written by the kernel.
const LONGEST: usize = (64 << 10) + 256;

/// A buffer of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) addr: u64,
    pub(crate) len: u32,
}

/// One frame: its bytes, and where they came from.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) bytes: Vec<u8>,
    pub(crate) parts: Vec<Part>,
    /// A part of it was refused, so all of it is.
    pub(crate) broken: bool,
}

impl Joined {
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && !self.broken
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
        self.broken = false;
    }

    /// Adds the next part.
    pub(crate) fn add(&mut self, umem: &Umem, part: Part) {
        self.parts.push(part);
        self.broken |= self.bytes.len() + part.len as usize > LONGEST;
        if !self.broken {
            self.bytes.extend_from_slice(umem.bytes(part.addr as usize, part.len as usize));
        }
    }

    /// Writes the first `len` bytes back to where they came from, and calls `each` with every part:
    /// its length now, which may be 0, and whether more follow.
    pub(crate) fn take_apart(&self, umem: &mut Umem, len: usize, mut each: impl FnMut(Part, bool)) {
        let mut rest = self.bytes.get(..len).unwrap_or_default();
        for Part { addr, len } in &self.parts {
            let (now, later) = rest.split_at(rest.len().min(*len as usize));
            rest = later;
            umem.bytes_mut(*addr as usize, now.len()).copy_from_slice(now);
            each(Part { addr: *addr, len: now.len() as u32 }, !rest.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(umem: &mut Umem, lengths: &[u32]) -> Joined {
        let mut joined = Joined::default();
        for (n, len) in (0_u8..).zip(lengths) {
            let addr = u64::from(n) * 4096 + 256;
            umem.bytes_mut(addr as usize, *len as usize).fill(n);
            joined.add(umem, Part { addr, len: *len });
        }
        joined
    }

    #[test]
    fn parts_become_one_slice_and_parts_again() {
        let mut umem = Umem::new(4 * 4096).unwrap();
        let mut joined = joined(&mut umem, &[3840, 3840, 100]);
        assert_eq!((joined.bytes.len(), joined.bytes[3839], joined.bytes[3840]), (7780, 0, 1));
        joined.bytes[7779] = 9;
        let mut seen = vec![];
        joined.take_apart(&mut umem, 7780, |part, more| seen.push((part.len, more)));
        assert_eq!(seen, [(3840, true), (3840, true), (100, false)]);
        assert_eq!(umem.bytes(2 * 4096 + 256, 100)[99], 9);
    }

    #[test]
    fn a_frame_made_shorter_leaves_parts_empty() {
        let mut umem = Umem::new(4 * 4096).unwrap();
        let joined = joined(&mut umem, &[3840, 3840, 100]);
        let mut seen = vec![];
        joined.take_apart(&mut umem, 60, |part, more| seen.push((part.len, more)));
        assert_eq!(seen, [(60, false), (0, false), (0, false)]);
    }

    #[test]
    fn what_no_kernel_sends_is_not_gathered() {
        let mut umem = Umem::new(32 * 4096).unwrap();
        let joined = joined(&mut umem, &[3840; 32]);
        assert!(joined.broken && joined.bytes.len() <= LONGEST);
    }
}
