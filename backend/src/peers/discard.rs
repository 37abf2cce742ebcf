// SPDX-License-Identifier: MIT OR Apache-2.0
//! `discard`: counts the frames, and sends nothing.
#![forbid(unsafe_code)]

use xsk_socket::RxBatch;

use super::Peer;
use crate::counters::Counters;
use crate::error::Error;

/// The peer.
pub(super) struct Discard;

impl Peer for Discard {
    fn receive(&mut self, _batch: &mut RxBatch<'_>, _counters: &Counters) -> Result<(), Error> {
        Ok(())
    }
}
