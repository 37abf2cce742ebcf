// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames from the guest to the network: a batch of chains is gathered, copied into the socket's
//! memory, and given back at once.
#![forbid(unsafe_code)]

use xsk_socket::Bound;
use xsk_vhost::ring::Broken;

use super::guard::Guard;
use super::pair::Pair;
use crate::counters::{Counters, Moved};

/// Chains a turn.
const BATCH: usize = 128;

/// The least that can be a frame: an Ethernet header.
const LEAST: usize = 14;

impl Pair {
    /// Moves what the guest has sent, as far as the socket has room.
    pub(super) fn transmit(&mut self, socket: &mut Bound, counters: &Counters, guard: &Guard) -> Moved {
        match self.transmit_batch(socket, counters) {
            Ok((moved, due)) => {
                if due {
                    self.notify(1, guard);
                }
                moved
            }
            Err(why) => {
                self.fail(1, why);
                Moved::default()
            }
        }
    }

    fn transmit_batch(&mut self, socket: &mut Bound, counters: &Counters) -> Result<(Moved, bool), Broken> {
        let (on, header) = (self.tx.is_on(), self.tx.header_len());
        let Some(ring) = &mut self.tx.ring else { return Ok((Moved::default(), false)) };
        self.batch.clear();
        if ring.available()? == 0 || ring.gather(&mut self.batch, socket.room().min(BATCH))? == 0 {
            return Ok((Moved::default(), false));
        }
        let (mut moved, mut dropped) = (Moved::default(), 0);
        for chain in self.batch.chains() {
            if chain.writable() > 0 {
                return Err(Broken::Direction);
            }
            let len = usize::try_from(chain.readable()).unwrap_or(usize::MAX).saturating_sub(header);
            let copy = |to: &mut [u8]| {
                self.batch.read(ring.memory(), chain, header, to);
            };
            // A ring that is off is emptied, as by a cable that is not plugged in.
            if on && len >= LEAST && socket.send_with(len, copy).is_ok() {
                moved.add(len);
            } else {
                dropped += 1;
            }
            ring.complete(chain, 0);
        }
        counters.dropped(dropped);
        Ok((moved, ring.publish()))
    }
}
