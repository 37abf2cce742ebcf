// SPDX-License-Identifier: MIT OR Apache-2.0
//! `reflect`: sends each frame back to where it came from, in its place in the UMEM, with the
//! addresses exchanged.
#![forbid(unsafe_code)]

use xsk_socket::RxBatch;

use super::Peer;
use crate::counters::Counters;
use crate::error::Error;

/// The peer.
pub(super) struct Reflect;

impl Peer for Reflect {
    #[inline]
    fn receive(&mut self, batch: &mut RxBatch<'_>, counters: &Counters) -> Result<(), Error> {
        let mut dropped = 0;
        batch.for_each(|mut frame| match swap_addresses(&mut frame) {
            true => frame.send_back(),
            false => dropped += 1,
        });
        counters.dropped(dropped);
        Ok(())
    }
}

/// Exchanges source and destination. False for a frame that must not be reflected: one without a
/// whole header, and one to a group, since no frame may come *from* a group.
#[inline]
fn swap_addresses(frame: &mut [u8]) -> bool {
    let Some((header, _)) = frame.split_first_chunk_mut::<14>() else { return false };
    if header[0] & 1 != 0 {
        return false;
    }
    let (to, from) = header.split_at_mut(6);
    to.swap_with_slice(&mut from[..6]);
    true
}

#[cfg(test)]
mod tests {
    use super::swap_addresses;

    #[test]
    fn addresses_change_places_and_nothing_else_does() {
        let mut frame = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 7];
        assert!(swap_addresses(&mut frame));
        assert_eq!(frame, [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5, 7]);
    }

    #[test]
    fn group_frames_and_stumps_are_not_reflected() {
        assert!(!swap_addresses(&mut [0xff; 60]));
        assert!(!swap_addresses(&mut [0; 13]));
        assert!(!swap_addresses(&mut []));
    }
}
