// SPDX-License-Identifier: MIT OR Apache-2.0
//! `forward`: queue for queue, frames from one netdev go out of the other. One thread moves
//! both directions of a pair of queues, so this peer owns the second netdev's socket.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::PollFlags;
use xsk_socket::{Bound, RxBatch};

use super::{Interest, Peer};
use crate::checksum::complete_all;
use crate::counters::{Counters, Moved};
use crate::error::{self, Error};
use crate::turn::{BATCH, DEVICE_BUSY};

/// The peer.
pub struct Forward {
    name: String,
    other: Bound,
    counters: Arc<Counters>,
    /// It has frames to send or to give back; neither wakes a thread.
    busy: bool,
}

impl Forward {
    /// Forwards to and from `other`, whose frames are counted in `counters`.
    pub fn new(name: String, other: Bound, counters: Arc<Counters>) -> Self {
        Self { name, other, counters, busy: false }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let pending = self.other.flush().map_err(|error| error::socket(&self.name, &error))?;
        self.busy = pending > 0 || self.other.room() == 0;
        Ok(())
    }
}

impl Peer for Forward {
    fn room(&mut self) -> usize {
        self.other.room()
    }

    fn receive(&mut self, batch: &mut RxBatch<'_>, counters: &Counters) -> Result<(), Error> {
        complete_all(batch, counters);
        let moved = copy(batch, &mut self.other, &self.counters);
        self.counters.sent(moved);
        self.flush()
    }

    fn supply(&mut self, socket: &mut Bound, counters: &Counters) -> Result<Moved, Error> {
        let room = socket.room().min(BATCH);
        let mut batch = self.other.recv(room);
        complete_all(&mut batch, &self.counters);
        self.counters.received(Moved { frames: batch.len() as u64, bytes: batch.bytes() });
        let moved = copy(&batch, socket, counters);
        drop(batch);
        self.flush()?;
        Ok(moved)
    }

    fn interest(&self) -> Interest<'_> {
        let within = self.busy.then_some(DEVICE_BUSY);
        Interest { on: Some((self.other.as_fd(), PollFlags::IN)), within }
    }
}

/// Copies the batch to `to`, and counts what that does not take.
fn copy(batch: &RxBatch<'_>, to: &mut Bound, counters: &Counters) -> Moved {
    let mut moved = Moved::default();
    for frame in batch.iter() {
        match to.send(frame) {
            Ok(()) => moved.add(frame.len()),
            Err(why) => counters.refused(why),
        }
    }
    moved
}
