// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket is made of once it has memory, and the moves of frames between the rings.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::config::Config;
use crate::ledger::Ledger;
use crate::rings::Rings;
use crate::sys::{Descriptor, Umem};

/// A received frame that the user has not given back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) send_back: bool,
}

/// Descriptor, memory, rings and ledger. The fields are dropped in this order: rings before the descriptor, so that
/// the queue is free once the descriptor is closed.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) rings: Rings,
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) umem: Umem,
    pub(crate) ledger: Ledger,
    pub(crate) held: Vec<Held>,
}

impl Core {
    pub(crate) fn new(fd: OwnedFd, umem: Umem, rings: Rings, config: &Config) -> Self {
        let ledger = Ledger::new(config.frame_count(), config.shift(), config.reserve());
        let held = Vec::with_capacity(config.frame_count() as usize);
        let mut core = Self { rings, fd: Arc::new(fd), umem, ledger, held };
        core.refill();
        core
    }

    /// Tops the fill ring up from the pool.
    #[inline]
    pub(crate) fn refill(&mut self) {
        let mut any = false;
        while let Some(addr) = self.ledger.lend_to_fill() {
            any |= self.rings.fill.push(addr);
        }
        if any {
            self.rings.fill.publish();
        }
    }

    /// Takes back the frames that were sent.
    #[inline]
    pub(crate) fn complete(&mut self) {
        if self.rings.completion.available() == 0 {
            return;
        }
        while let Some(addr) = self.rings.completion.pop() {
            self.ledger.completed(addr);
        }
        self.rings.completion.release();
    }

    /// Moves up to `max` received frames to `held`.
    #[inline]
    pub(crate) fn take_received(&mut self, max: usize) {
        let count = (self.rings.rx.available() as usize).min(max);
        if count == 0 {
            return;
        }
        for _ in 0..count {
            let Some(Descriptor { addr, len, .. }) = self.rings.rx.pop() else { break };
            if self.ledger.received(addr, len) {
                self.held.push(Held { addr, len, send_back: false });
            }
        }
        self.rings.rx.release();
    }

    /// Gives every held frame where the user decided that it goes. What goes to the transmit ring is published.
    #[inline]
    pub(crate) fn settle(&mut self) {
        let mut sent = false;
        for Held { addr, len, send_back } in self.held.drain(..) {
            if !send_back {
                self.ledger.recycle(addr);
            } else if self.ledger.send_back(addr) {
                sent |= self.rings.tx.push(Descriptor { addr, len, options: 0 });
            }
        }
        if sent {
            self.rings.tx.publish();
        }
        self.refill();
    }
}
