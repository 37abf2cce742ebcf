// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames from the network to the guest: a batch of frames is copied into as many chains as they
//! need, each behind a header of zeroes.
#![forbid(unsafe_code)]

use xsk_socket::RxBatch;
use xsk_vhost::net::Header;
use xsk_vhost::ring::{Batch, Broken, Ring};

use super::guard::Guard;
use super::pair::Pair;
use crate::counters::Counters;

/// Chains that one frame may fill, where buffers are merged: enough for the longest frame in the
/// smallest buffers that a driver has reason to post.
const MOST_MERGED: usize = 64;

impl Pair {
    /// Copies the frames to the guest. What it has no buffers for is dropped and counted.
    pub(super) fn receive(&mut self, frames: &mut RxBatch<'_>, counters: &Counters, guard: &Guard) {
        let offered = frames.len() as u64;
        if !self.rx.is_on() {
            return counters.dropped(offered);
        }
        match self.receive_batch(frames) {
            Ok((taken, due)) => {
                counters.dropped(offered - taken);
                if due {
                    self.notify(0, guard);
                }
            }
            Err(why) => {
                counters.dropped(offered);
                self.fail(0, why);
            }
        }
    }

    fn receive_batch(&mut self, frames: &mut RxBatch<'_>) -> Result<(u64, bool), Broken> {
        let (header, merges) = (self.rx.header_len(), self.rx.merges());
        let Some(ring) = &mut self.rx.ring else { return Ok((0, false)) };
        self.batch.clear();
        ring.gather(&mut self.batch, frames.len())?;
        let mut fill = Fill { ring, batch: &mut self.batch, used: 0, header, merges };
        let mut taken = 0;
        for frame in frames.iter() {
            taken += u64::from(fill.put(frame)?);
        }
        let left = fill.batch.chains().len() - fill.used;
        ring.ungather(left);
        Ok((taken, ring.publish()))
    }
}

/// The gathered chains while frames are put into them.
struct Fill<'a> {
    ring: &'a mut Ring,
    batch: &'a mut Batch,
    /// Chains that hold a frame by now.
    used: usize,
    header: usize,
    merges: bool,
}

impl Fill<'_> {
    /// Puts one frame into the next chains. Returns whether it fitted.
    #[inline]
    fn put(&mut self, frame: &[u8]) -> Result<bool, Broken> {
        let Some(count) = self.chains_for(self.header + frame.len())? else { return Ok(false) };
        let header = Header { num_buffers: count as u16, ..Header::default() }.bytes();
        let mut rest = frame;
        for at in 0..count {
            let chain = self.batch.chains()[self.used];
            let mut written = 0;
            if at == 0 {
                written = self.batch.write(self.ring.memory(), &chain, 0, &header[..self.header]);
            }
            let more = self.batch.write(self.ring.memory(), &chain, written, rest);
            rest = &rest[more..];
            self.ring.complete(&chain, (written + more) as u32);
            self.used += 1;
        }
        Ok(true)
    }

    /// How many of the next chains hold `len` bytes; nothing if there are not as many.
    #[inline]
    fn chains_for(&mut self, len: usize) -> Result<Option<usize>, Broken> {
        let most = if self.merges { MOST_MERGED } else { 1 };
        let mut room = 0;
        for count in 1..=most {
            let at = self.used + count - 1;
            if at == self.batch.chains().len() && self.ring.gather(self.batch, MOST_MERGED)? == 0 {
                return Ok(None);
            }
            let Some(chain) = self.batch.chains().get(at) else { return Ok(None) };
            if chain.readable() > 0 || chain.writable() < self.header as u64 {
                return Err(Broken::Direction);
            }
            room += chain.writable();
            if room >= len as u64 {
                return Ok(Some(count));
            }
        }
        Ok(None)
    }
}
