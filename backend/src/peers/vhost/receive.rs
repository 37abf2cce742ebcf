// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames from the network to the guest: a batch of frames is copied into as many chains as they
//! need, each behind its header. Segments of one flow go as one frame where the guest takes that.
#![forbid(unsafe_code)]

use xsk_socket::RxBatch;
use xsk_vhost::net::{Header, feature};
use xsk_vhost::ring::{Batch, Broken, Ring};

use super::guard::Guard;
use super::pair::Pair;
use crate::checksum::{Look, complete_all, look};
use crate::counters::Counters;
use crate::segment::layout::MOST_HEADERS;
use crate::segment::merge::{Group, Merged, Plan};

/// Chains that one frame may fill, where buffers are merged: enough for the longest frame in the
/// smallest buffers that a driver has reason to post.
const MOST_MERGED: usize = 64;

/// Where TCP has its checksum.
const TCP_FIELD: u16 = 16;

impl Pair {
    /// Copies the frames to the guest. What it has no buffers for is dropped and counted.
    pub(super) fn receive(&mut self, frames: &mut RxBatch<'_>, counters: &Counters, guard: &Guard) {
        let offered = frames.len() as u64;
        if !self.rx.is_on() {
            return counters.dropped(offered);
        }
        if self.rx.features & feature::GUEST_CSUM == 0 {
            complete_all(frames, counters);
        }
        match self.receive_batch(frames, counters) {
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

    fn receive_batch(
        &mut self,
        frames: &mut RxBatch<'_>,
        counters: &Counters,
    ) -> Result<(u64, bool), Broken> {
        let (header, features) = (self.rx.header_len(), self.rx.features);
        let Some(ring) = &mut self.rx.ring else { return Ok((0, false)) };
        self.batch.clear();
        ring.gather(&mut self.batch, frames.len())?;
        let frames: Vec<&[u8]> = frames.iter().collect();
        let mut fill = Fill { ring, batch: &mut self.batch, used: 0, header, features, counters };
        let taken = fill.put_all(&frames, &mut self.plan)?;
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
    features: u64,
    counters: &'a Counters,
}

impl Fill<'_> {
    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    /// Puts all frames into chains, and returns how many fitted.
    fn put_all(&mut self, frames: &[&[u8]], plan: &mut Plan) -> Result<u64, Broken> {
        let wants = [feature::GUEST_TSO4, feature::GUEST_TSO6];
        // A frame of many segments fits no buffer alone.
        let wants = wants.map(|wanted| self.has(wanted) && self.has(feature::MRG_RXBUF));
        let mut taken = 0;
        if !wants.contains(&true) {
            for frame in frames {
                taken += u64::from(self.put_one(frame, false)?);
            }
            return Ok(taken);
        }
        plan.make(frames, wants);
        for group in plan.groups() {
            taken += self.put_group(frames, plan, group)?;
        }
        Ok(taken)
    }

    /// Puts the frames of a group into chains: as one, or one by one where there is no room for
    /// that. Returns how many fitted.
    fn put_group(&mut self, frames: &[&[u8]], plan: &Plan, group: &Group) -> Result<u64, Broken> {
        let mut space = [0; MOST_HEADERS];
        if let Some(merged) = group.headers(frames, &mut space) {
            let skip = merged.headers.len();
            let payloads =
                plan.members(group).map(|number| frames[number].get(skip..).unwrap_or_default());
            let pieces = std::iter::once(merged.headers).chain(payloads);
            if self.put(header_of(&merged), merged.len, pieces)? {
                return Ok(group.count as u64);
            }
        }
        let mut taken = 0;
        for number in plan.members(group) {
            taken += u64::from(self.put_one(frames[number], group.is_sound())?);
        }
        Ok(taken)
    }

    /// Puts a frame into chains as it is. Returns whether it fitted.
    #[inline]
    fn put_one(&mut self, frame: &[u8], is_sound: bool) -> Result<bool, Broken> {
        if !self.has(feature::GUEST_CSUM) {
            return self.put(Header::default(), frame.len(), std::iter::once(frame));
        }
        let look = look(frame);
        self.counters.checksums(0, u64::from(look == Look::Inner));
        // A checksum that is left to the guest is that of all that it gets: no padding.
        let end = if let Look::Unfinished(sum) = look { sum.end } else { frame.len() };
        let frame = frame.get(..end).unwrap_or(frame);
        self.put(header_for(look, is_sound), end, std::iter::once(frame))
    }

    /// Puts a frame of `len` bytes into the next chains, piece by piece. Returns whether it fitted.
    #[inline]
    fn put<'a>(
        &mut self,
        header: Header,
        len: usize,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<bool, Broken> {
        let Some(count) = self.chains_for(self.header + len)? else { return Ok(false) };
        let header = Header { num_buffers: count as u16, ..header }.bytes();
        let end = self.used + count;
        let mut written = 0;
        self.append(&header[..self.header], end, &mut written);
        pieces.for_each(|piece| self.append(piece, end, &mut written));
        if self.used < end {
            self.give_back(&mut written);
        }
        Ok(true)
    }

    /// Writes to the chains before `end`, of which the next one holds `written` bytes by now. One
    /// that is full is given back.
    #[inline]
    fn append(&mut self, mut rest: &[u8], end: usize, written: &mut usize) {
        while !rest.is_empty() && self.used < end {
            let chain = self.batch.chains()[self.used];
            let more = self.batch.write(self.ring.memory(), &chain, *written, rest);
            *written += more;
            rest = &rest[more..];
            if *written as u64 == chain.writable() || more == 0 {
                self.give_back(written);
            }
        }
    }

    fn give_back(&mut self, written: &mut usize) {
        let chain = self.batch.chains()[self.used];
        self.ring.complete(&chain, *written as u32);
        (self.used, *written) = (self.used + 1, 0);
    }

    /// How many of the next chains hold `len` bytes; nothing if there are not as many.
    #[inline]
    fn chains_for(&mut self, len: usize) -> Result<Option<usize>, Broken> {
        let most = if self.has(feature::MRG_RXBUF) { MOST_MERGED } else { 1 };
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

/// The header of a frame by itself: a checksum that its sender left to a card is left to the guest,
/// and of one that was verified the guest is told.
#[inline]
fn header_for(look: Look, is_sound: bool) -> Header {
    match look {
        Look::Unfinished(sum) => Header {
            flags: Header::NEEDS_CSUM,
            csum_start: sum.start as u16,
            csum_offset: sum.offset as u16,
            ..Header::default()
        },
        _ if is_sound => Header { flags: Header::DATA_VALID, ..Header::default() },
        _ => Header::default(),
    }
}

fn header_of(merged: &Merged<'_>) -> Header {
    Header {
        flags: Header::NEEDS_CSUM,
        gso_type: if merged.is_ip6 { Header::TCP6 } else { Header::TCP4 },
        hdr_len: merged.headers.len() as u16,
        gso_size: merged.size as u16,
        csum_start: merged.tcp as u16,
        csum_offset: TCP_FIELD,
        num_buffers: 0,
    }
}
