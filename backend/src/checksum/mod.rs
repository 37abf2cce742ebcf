// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checksums that the sender left to its card. The other end of a veth has no card. By default its
//! frames arrive with the pseudo-header's sum in the checksum field (`CHECKSUM_PARTIAL`,
//! include/linux/skbuff.h). AF_XDP does not say so, and a guest drops such a frame. A peer that
//! passes frames on completes them here.
//!
//! The exact sum in the field is the only sign. A frame whose checksum is right is never changed:
//! where its field happens to hold that very sum, the completed one is the same. A damaged frame
//! may hold it by chance, one of 65536.
#![forbid(unsafe_code)]

pub(crate) mod parse;
pub(crate) mod sum;
#[cfg(test)]
mod tests;
mod tunnel;

use parse::{Segment, TCP, UDP, word};
use sum::Sum;
use xsk_socket::RxBatch;

use crate::counters::Counters;

/// What a frame's transport checksum is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Complete as far as is to be seen here, or there is none.
    Intact,
    /// To be completed: TCP's or UDP's, of a whole packet.
    Unfinished(Unfinished),
    /// It stands inside a tunnel, which has to complete it.
    Inner,
}

/// A checksum to be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// Where the transport header begins: `csum_start` of virtio.
    pub start: usize,
    /// Where the field is behind that: `csum_offset` of virtio.
    pub offset: usize,
    /// Where the packet ends; padding may follow.
    pub end: usize,
    /// UDP writes a sum of 0 as 0xffff, since 0 says that there is none.
    zero_is_none: bool,
}

/// Looks at a frame, no further than its headers.
#[inline]
pub fn look(frame: &[u8]) -> Look {
    let Some(outer) = parse::ethernet(frame, 0) else { return Look::Intact };
    if let Some(unfinished) = unfinished_in(frame, &outer) {
        return Look::Unfinished(unfinished);
    }
    let inner = tunnel::inside(frame, &outer).and_then(|inner| unfinished_in(frame, &inner));
    if inner.is_some() { Look::Inner } else { Look::Intact }
}

/// Completes the checksum of a frame where it is unfinished, and says what it was.
#[inline]
pub fn complete(frame: &mut [u8]) -> Look {
    let look = look(frame);
    match look {
        Look::Unfinished(unfinished) if !unfinished.fill_in(frame) => Look::Intact,
        look => look,
    }
}

/// Completes the checksums of a batch that is handed on, and counts them.
#[inline]
pub fn complete_all(batch: &mut RxBatch<'_>, counters: &Counters) {
    let (mut completed, mut inner) = (0, 0);
    batch.for_each(|mut frame| match complete(&mut frame) {
        Look::Intact => {}
        Look::Unfinished(_) => completed += 1,
        Look::Inner => inner += 1,
    });
    counters.checksums(completed, inner);
}

/// The checksum of a segment, if its field holds the pseudo-header's sum.
#[inline]
fn unfinished_in(frame: &[u8], segment: &Segment) -> Option<Unfinished> {
    let &Segment { addresses, protocol, start, end } = segment;
    let length = end.checked_sub(start)?;
    let offset = match protocol {
        TCP if length >= 20 => 16,
        UDP if length >= 8 && usize::from(word(frame, start + 4)?) == length => 6,
        _ => return None,
    };
    let pseudo = addresses.number(protocol.into()).number(u32::try_from(length).ok()?).fold();
    let found = word(frame, start + offset)? == pseudo;
    found.then_some(Unfinished { start, offset, end, zero_is_none: protocol == UDP })
}

impl Unfinished {
    /// Writes the checksum. False if that changes nothing, 0 and 0xffff being the same number to a
    /// receiver.
    fn fill_in(self, frame: &mut [u8]) -> bool {
        let Some(segment) = frame.get_mut(self.start..self.end) else { return false };
        // The field holds the pseudo-header's sum, so this is the sum of both.
        let sum = match !Sum::default().bytes(segment).fold() {
            0 if self.zero_is_none => 0xffff,
            sum => sum,
        };
        let Some(field) = segment.get_mut(self.offset..).and_then(<[u8]>::first_chunk_mut) else {
            return false;
        };
        let same = |other: u16| sum == other || (sum == 0 && other == 0xffff);
        if same(u16::from_be_bytes(*field)) {
            return false;
        }
        *field = sum.to_be_bytes();
        true
    }
}
