// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stream=PATH`: frames to and from a QEMU that has `-netdev stream` but no `af-xdp`, over a unix
//! socket.
//!
//! All queues share the one connection: each writes what it receives, the first one sends what is
//! read. While the other side does not read, frames wait in the receive ring, and the kernel counts
//! what no longer fits; while nobody is connected they are dropped and counted, as on a cable that
//! is not plugged in.
#![forbid(unsafe_code)]

mod endpoint;
mod framing;
mod link;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use xsk_socket::{Bound, RxBatch};

pub use link::Link;

use super::{Interest, Peer};
use crate::checksum::complete_all;
use crate::counters::{Counters, Moved};
use crate::error::Error;
use crate::turn::DEVICE_BUSY;
use link::Waiting;

/// How often a queue that does not read looks whether the link has ended or changed.
const LOOK: Duration = Duration::from_millis(200);

/// The peer.
pub(super) struct Stream {
    link: Arc<Link>,
    reads: bool,
    waiting: Waiting,
}

impl Stream {
    /// A queue's share of the link. One of them `reads`.
    pub(super) fn new(link: Arc<Link>, reads: bool) -> Self {
        Self { link, reads, waiting: Waiting::default() }
    }
}

impl Peer for Stream {
    fn room(&mut self) -> usize {
        self.link.lock().room()
    }

    fn receive(&mut self, batch: &mut RxBatch<'_>, counters: &Counters) -> Result<(), Error> {
        complete_all(batch, counters);
        let taken = self.link.lock().write(batch.iter());
        if !taken {
            counters.dropped(batch.len() as u64);
        }
        Ok(())
    }

    fn supply(&mut self, socket: &mut Bound, counters: &Counters) -> Result<Moved, Error> {
        let mut state = self.link.lock();
        state.flush();
        if !self.reads {
            return Ok(Moved::default());
        }
        state.ensure_connection()?;
        state.read_into(socket, counters)
    }

    fn idle(&mut self) -> Result<(), Error> {
        self.waiting = self.link.lock().waiting();
        Ok(())
    }

    fn interest(&self) -> Interest<'_> {
        let Waiting { connection, listener, unsent, unread, within } = &self.waiting;
        let mut events = PollFlags::empty();
        // With frames that the socket had no room for, more input helps nobody, and nothing tells
        // that it has room again.
        if self.reads && !unread {
            events |= PollFlags::IN;
        }
        if *unsent {
            events |= PollFlags::OUT;
        }
        let on = match (connection, listener) {
            (Some(connection), _) if !events.is_empty() => Some((connection.as_fd(), events)),
            (None, Some(listener)) if self.reads => Some((listener.as_fd(), PollFlags::IN)),
            _ => None,
        };
        let within = match (self.reads, *unread) {
            (false, _) => Some(LOOK),
            (true, true) => Some(DEVICE_BUSY),
            (true, false) => *within,
        };
        Interest { on, within }
    }

    fn done(&self) -> bool {
        self.link.lock().ended()
    }
}
