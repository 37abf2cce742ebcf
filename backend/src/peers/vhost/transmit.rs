// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames from the guest to the network: a batch of chains is gathered, copied into the socket's
//! memory with the checksums and in the segments that the guest asks for, and given back at once.
#![forbid(unsafe_code)]

use xsk_socket::{Bound, Refused};
use xsk_vhost::net::Header;
use xsk_vhost::ring::{Batch, Broken, Chain, Ring};

use super::guard::Guard;
use super::offload::{self, Lie, Work};
use super::pair::Pair;
use crate::checksum::sum;
use crate::counters::{Counters, Moved};
use crate::segment::cut::{Cut, MOST};
use crate::segment::layout::{MOST_HEADERS, put};

/// Chains a turn.
const BATCH: usize = 128;

/// The least that can be a frame: an Ethernet header.
const LEAST: usize = 14;

/// Why a ring cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Lie(#[from] Lie),
}

/// Chains that were gathered. What the socket has no room for waits here for the next turn.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    batch: Batch,
    /// Chains that are done with.
    done: usize,
    /// How far the next chain is cut.
    cut: Option<Cut>,
    /// A frame that does not fit into one buffer of the socket.
    long: Vec<u8>,
}

impl Outgoing {
    /// Chains that are still to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.batch.chains().len() - self.done
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        (self.done, self.cut) = (0, None);
    }
}

impl Pair {
    /// Moves what the guest has sent, as far as the socket has room.
    pub(super) fn transmit(
        &mut self,
        socket: &mut Bound,
        counters: &Counters,
        guard: &Guard,
    ) -> Moved {
        let mut moved = Moved::default();
        match self.transmit_batch(socket, counters, &mut moved) {
            Ok(true) => self.notify(1, guard),
            Ok(false) => {}
            Err(why) => self.fail(1, why),
        }
        moved
    }

    fn transmit_batch(
        &mut self,
        socket: &mut Bound,
        counters: &Counters,
        moved: &mut Moved,
    ) -> Result<bool, Fault> {
        let (on, header, features) = (self.tx.is_on(), self.tx.header_len(), self.tx.features);
        let Some(ring) = &mut self.tx.ring else { return Ok(false) };
        let out = &mut self.tx.out;
        if out.waiting() == 0 {
            if ring.available()? == 0 {
                return Ok(false);
            }
            out.clear();
            ring.gather(&mut out.batch, BATCH)?;
        }
        let Outgoing { batch, done, cut, long } = out;
        let mut way = Way { socket, counters, moved, header, features, cut, long };
        while let Some(chain) = batch.chains().get(*done) {
            // A ring that is off is emptied, as by a cable that is not plugged in.
            if !on {
                way.drop();
            } else if !way.send(&Source { ring, batch, chain, header })? {
                break;
            }
            ring.complete(chain, 0);
            *done += 1;
        }
        Ok(ring.publish())
    }
}

/// The bytes of one chain.
struct Source<'a> {
    ring: &'a Ring,
    batch: &'a Batch,
    chain: &'a Chain,
    header: usize,
}

impl Source<'_> {
    /// Copies bytes of the frame from an offset on.
    #[inline]
    fn read(&self, at: usize, to: &mut [u8]) {
        self.batch.read(self.ring.memory(), self.chain, self.header + at, to);
    }

    fn header(&self) -> Header {
        let mut bytes = [0; 10];
        self.batch.read(self.ring.memory(), self.chain, 0, &mut bytes);
        Header::read(&bytes)
    }
}

/// The way to the network.
struct Way<'a> {
    socket: &'a mut Bound,
    counters: &'a Counters,
    moved: &'a mut Moved,
    header: usize,
    features: u64,
    cut: &'a mut Option<Cut>,
    long: &'a mut Vec<u8>,
}

impl Way<'_> {
    /// Sends a chain's frame. Returns whether it is done with; else there is no room for all of it.
    #[inline]
    fn send(&mut self, from: &Source<'_>) -> Result<bool, Fault> {
        if self.cut.is_some() {
            return Ok(self.send_segments(from));
        }
        if from.chain.writable() > 0 {
            return Err(Broken::Direction.into());
        }
        let len = usize::try_from(from.chain.readable())
            .unwrap_or(usize::MAX)
            .saturating_sub(self.header);
        if !(LEAST..=MOST).contains(&len) {
            self.drop();
            return Ok(true);
        }
        let header =
            if offload::is_used(self.features) { from.header() } else { Header::default() };
        match offload::work(&header, self.features, len)? {
            Work::Copy => Ok(self.send_frame(len, |to| from.read(0, to))),
            Work::Sum { start, field } => Ok(self.send_frame(len, |to| {
                from.read(0, to);
                finish(to, start, field);
            })),
            Work::Cut { size, tcp, is_ip6 } => {
                let mut first = [0; MOST_HEADERS];
                let first = &mut first[..len.min(MOST_HEADERS)];
                from.read(0, first);
                // What is no TCP in spite of its header is dropped.
                let cut = Cut::new(first, len, size, is_ip6).filter(|cut| cut.tcp() == tcp);
                self.counters.dropped(u64::from(cut.is_none()));
                *self.cut = cut;
                Ok(self.send_segments(from))
            }
        }
    }

    /// Drops a frame, or what is left of it.
    fn drop(&mut self) {
        *self.cut = None;
        self.counters.dropped(1);
    }

    /// Sends segments of the frame that is being cut, and returns whether that were the last.
    fn send_segments(&mut self, from: &Source<'_>) -> bool {
        let Some(mut cut) = self.cut.take() else { return true };
        while let Some(len) = cut.next_len() {
            if !self.send_frame(len, |to| cut.write(to, |at, to| from.read(at, to))) {
                *self.cut = Some(cut);
                return false;
            }
            cut.advance();
        }
        true
    }

    /// Sends a frame that `write` makes. Returns whether there was room; one that is too long for
    /// the interface is dropped.
    #[inline]
    fn send_frame(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> bool {
        let sent = if len <= self.socket.frame_size() || len > self.socket.longest() {
            self.socket.send_with(len, write)
        } else {
            self.long.resize(len, 0);
            write(self.long);
            self.socket.send(self.long)
        };
        match sent {
            Ok(()) => self.moved.add(len),
            Err(Refused::NoRoom) => return false,
            Err(too_long) => self.counters.refused(too_long),
        }
        true
    }
}

/// Writes the checksum of what begins at `start`. The field holds the sum of the pseudo-header. A
/// sum of 0 is written as 0xffff, since 0 in UDP says that there is none.
#[inline]
fn finish(frame: &mut [u8], start: usize, field: usize) {
    let sum = match sum::of(frame.get(start..).unwrap_or_default()) {
        0 => 0xffff,
        sum => sum,
    };
    put(frame, field, sum);
}
