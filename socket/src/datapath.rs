// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket is made of once it has memory, and the moves of frames between the rings.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::config::Config;
use crate::joined::{Joined, Part};
use crate::ledger::Ledger;
use crate::rings::Rings;
use crate::sys::{Descriptor, Umem};

/// A received frame that the user has not given back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldFrame {
    /// Where it begins.
    pub(crate) addr: u64,
    /// Its length, over all its buffers.
    pub(crate) len: u32,
    pub(crate) send_back: bool,
    /// Which of the joined frames it is, if it has several buffers.
    pub(crate) joined: Option<u32>,
}

/// Descriptor, memory, rings and ledger. The fields are dropped in this order: rings before the
/// descriptor, so that the queue is free once the descriptor is closed.
#[derive(Debug)]
pub(crate) struct DataPath {
    pub(crate) rings: Rings,
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) umem: Umem,
    pub(crate) ledger: Ledger,
    pub(crate) held: Vec<HeldFrame>,
    /// Frames of several buffers that are held, and after them those whose memory is used again.
    pub(crate) joined: Vec<Joined>,
    joined_held: usize,
}

impl DataPath {
    pub(crate) fn new(fd: OwnedFd, umem: Umem, rings: Rings, config: &Config) -> Self {
        let ledger = Ledger::new(config.frame_count(), config.shift(), config.reserve());
        let held = Vec::with_capacity(config.frame_count() as usize);
        let joined = Vec::new();
        let mut datapath =
            Self { rings, fd: Arc::new(fd), umem, ledger, held, joined, joined_held: 0 };
        datapath.refill();
        datapath
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
        if max == 0 || self.rings.rx.available() == 0 {
            return;
        }
        while self.held.len() < max {
            let Some(descriptor) = self.rings.rx.pop() else { break };
            let Descriptor { addr, len, .. } = descriptor;
            let sound = self.ledger.received(addr, len);
            if descriptor.continues() || self.joins() {
                self.join(descriptor, sound);
            } else if sound {
                self.held.push(HeldFrame { addr, len, send_back: false, joined: None });
            }
        }
        self.rings.rx.release();
    }

    /// Returns whether the last descriptor left a frame unfinished.
    #[inline]
    fn joins(&self) -> bool {
        self.joined.get(self.joined_held).is_some_and(|open| !open.is_empty())
    }

    /// Adds a buffer to the frame that is being put together, and holds the frame if it was the
    /// last.
    #[cold]
    fn join(&mut self, descriptor: Descriptor, sound: bool) {
        let number = self.joined_held;
        if self.joined.len() == number {
            self.joined.push(Joined::default());
        }
        let open = &mut self.joined[number];
        if sound {
            open.add(&self.umem, Part { addr: descriptor.addr, len: descriptor.len });
        } else {
            open.broken = true;
        }
        if descriptor.continues() {
            return;
        }
        match open.parts.first() {
            Some(first) if !open.broken => {
                let (addr, len) = (first.addr, open.bytes.len() as u32);
                self.held.push(HeldFrame {
                    addr,
                    len,
                    send_back: false,
                    joined: Some(number as u32),
                });
                self.joined_held += 1;
            }
            _ => self.discard(number),
        }
    }

    /// Gives the buffers of a joined frame back.
    fn discard(&mut self, number: usize) {
        for part in &self.joined[number].parts {
            self.ledger.recycle(part.addr);
        }
        self.joined[number].clear();
    }

    /// Gives every held frame where the user decided that it goes. What goes to the transmit ring
    /// is published.
    #[inline]
    pub(crate) fn settle(&mut self) {
        let mut sent = false;
        let mut held = std::mem::take(&mut self.held);
        for HeldFrame { addr, len, send_back, joined } in held.drain(..) {
            match joined {
                Some(number) if send_back => sent |= self.send_joined(number as usize, len),
                Some(number) => self.discard(number as usize),
                None if !send_back => self.ledger.recycle(addr),
                None => {
                    if self.ledger.send_back(addr) {
                        sent |= self.rings.tx.push(Descriptor { addr, len, options: 0 });
                    }
                }
            }
        }
        self.held = held;
        self.keep_unfinished();
        if sent {
            self.rings.tx.publish();
        }
        self.refill();
    }

    /// A frame whose last buffer is yet to come stands behind those that were held; it becomes the
    /// first.
    #[inline]
    fn keep_unfinished(&mut self) {
        if self.joined_held > 0 {
            if self.joined_held < self.joined.len() {
                self.joined.swap(0, self.joined_held);
            }
            self.joined_held = 0;
        }
    }

    /// Sends a joined frame from its own buffers; those that it no longer fills are free.
    fn send_joined(&mut self, number: usize, len: u32) -> bool {
        let mut sent = false;
        let Self { joined, umem, ledger, rings, .. } = self;
        joined[number].take_apart(umem, len as usize, |Part { addr, len }, more| {
            if len == 0 {
                ledger.recycle(addr);
            } else if ledger.send_back(addr) {
                sent |= rings.tx.push(Descriptor::part(addr, len, more));
            }
        });
        joined[number].clear();
        sent
    }

    /// Copies a frame into as many free buffers as it needs; false if there are too few.
    pub(crate) fn scatter(&mut self, frame: &[u8]) -> bool {
        let size = self.ledger.frame_size();
        let parts = frame.len().div_ceil(size);
        if self.ledger.free() < parts {
            self.complete();
        }
        if self.ledger.free() < parts {
            return false;
        }
        for (number, part) in (1..).zip(frame.chunks(size)) {
            let Some(addr) = self.ledger.lend_to_tx() else { return false };
            self.umem.bytes_mut(addr as usize, part.len()).copy_from_slice(part);
            self.rings.tx.push(Descriptor::part(addr, part.len() as u32, number < parts));
        }
        true
    }
}
