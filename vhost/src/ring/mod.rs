// SPDX-License-Identifier: MIT OR Apache-2.0
//! A split virtqueue, from the device's side: chains are gathered in batches, given back in order,
//! and published with one store and one decision on the notification a batch.
//!
//! Nothing that the driver writes is trusted. An impossible index, descriptor or address makes the
//! ring [`Broken`], and its owner stops it.
#![forbid(unsafe_code)]

mod batch;
mod chain;
mod notify;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::memory::GuestMemory;
use crate::sys::RingMemory;

pub use batch::{Batch, Chain};
pub use chain::MAX_DESCRIPTORS;

/// The largest ring of the specification (virtio 1.2, 2.7).
pub const MAX_SIZE: u16 = 32768;

/// Why a ring cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// More entries than the ring has.
    #[error("the driver's index is {0} entries ahead")]
    Index(u16),
    /// The head of a chain is no descriptor.
    #[error("descriptor {0} does not exist")]
    Head(u16),
    /// A chain goes on where there is no descriptor.
    #[error("a chain goes on at descriptor {0}, which does not exist")]
    Next(u16),
    /// A chain is a loop, or longer than it may be.
    #[error("a chain has no end within {MAX_DESCRIPTORS} descriptors")]
    Endless,
    /// A buffer outside of memory.
    #[error("{len} bytes at {addr:#x} are not in the guest's memory")]
    Address {
        /// The guest's address.
        addr: u64,
        /// Bytes.
        len: u32,
    },
    /// An indirect table that was not negotiated, of a length that is no table's, in another one,
    /// or that goes on.
    #[error("a bad indirect table of {0} bytes")]
    Indirect(u32),
    /// A buffer to be read after one to be written, or the wrong kind for this ring.
    #[error("a chain has buffers of the wrong direction")]
    Direction,
    /// The file behind the memory became shorter.
    #[error("the front end took guest memory away")]
    Lost,
}

/// Where the front end has put a ring, by its own addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Descriptor table.
    pub descriptors: u64,
    /// Driver area.
    pub avail: u64,
    /// Device area.
    pub used: u64,
}

/// What was negotiated that concerns rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingFeatures {
    /// VIRTIO_F_EVENT_IDX.
    pub event_idx: bool,
    /// VIRTIO_F_INDIRECT_DESC.
    pub indirect: bool,
}

/// A virtqueue at work.
#[derive(Debug)]
pub struct Ring {
    shared: RingMemory,
    memory: Arc<GuestMemory>,
    features: RingFeatures,
    /// The next entry to gather.
    next: u16,
    /// Entries up to here are published.
    used: u16,
    /// Entries written and not published.
    staged: u16,
}

impl Ring {
    /// Finds a ring of `size` entries in memory. It goes on where the used index says that the last
    /// device stopped: every chain that was taken is given back here before a ring stops, so both
    /// indices are one.
    ///
    /// Nothing if the size is no power of two up to [`MAX_SIZE`], or a part is not in memory or
    /// misaligned.
    pub fn new(
        memory: Arc<GuestMemory>,
        addresses: Addresses,
        size: u16,
        features: RingFeatures,
    ) -> Option<Self> {
        let [descriptors, avail, used] = RingMemory::lengths(size);
        let descriptors = memory.find_user(addresses.descriptors, descriptors)?;
        let avail = memory.find_user(addresses.avail, avail)?;
        let used = memory.find_user(addresses.used, used)?;
        let shared = RingMemory::new(descriptors, avail, used, size)?;
        let at = shared.used_index();
        Some(Self { shared, memory, features, next: at, used: at, staged: 0 })
    }

    /// The index of the next chain to take: what the front end is told when the ring stops.
    pub fn position(&self) -> u16 {
        self.next
    }

    /// The guest's memory, in which the chains are.
    #[inline]
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// How many chains are there to be gathered.
    ///
    /// # Errors
    /// [`Broken::Index`], [`Broken::Lost`].
    #[inline]
    pub fn available(&self) -> Result<usize, Broken> {
        let ahead = self.shared.avail_index().wrapping_sub(self.next);
        if ahead > self.shared.size() {
            return Err(if self.memory.is_lost() { Broken::Lost } else { Broken::Index(ahead) });
        }
        Ok(usize::from(ahead))
    }

    /// Appends up to `max` chains to the batch, and returns how many.
    ///
    /// # Errors
    /// [`Broken`]; what is in the batch then is of no use.
    #[inline]
    pub fn gather(&mut self, batch: &mut Batch, max: usize) -> Result<usize, Broken> {
        let count = self.available()?.min(max);
        for taken in 0..count {
            if batch.is_full() {
                return Ok(taken);
            }
            let head = self.shared.avail_entry(self.next);
            self.take(head, batch)?;
            self.next = self.next.wrapping_add(1);
        }
        if self.memory.is_lost() { Err(Broken::Lost) } else { Ok(count) }
    }

    /// Takes back the last `count` chains that were gathered: they are there to be gathered again.
    #[inline]
    pub fn ungather(&mut self, count: usize) {
        self.next = self.next.wrapping_sub(count as u16);
    }

    /// Gives a chain back, with how many bytes were written to it. To be seen after
    /// [`publish`](Self::publish).
    #[inline]
    pub fn complete(&mut self, chain: &Chain, written: u32) {
        self.shared.write_used(self.used.wrapping_add(self.staged), chain.head(), written);
        self.staged = self.staged.wrapping_add(1);
    }

    /// Publishes what was completed, and returns whether to notify the driver.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.staged == 0 {
            return false;
        }
        let old = self.used;
        self.used = old.wrapping_add(self.staged);
        self.staged = 0;
        self.shared.publish_used(self.used);
        // What the driver asks for is read after what it looks at before it sleeps was written.
        fence(Ordering::SeqCst);
        if self.features.event_idx {
            notify::is_due(self.shared.used_event(), old, self.used)
        } else {
            !self.shared.no_interrupt()
        }
    }

    /// Asks for a kick with the next chain, before a sleep. Returns whether there is one already.
    ///
    /// # Errors
    /// As [`available`](Self::available).
    pub fn arm(&mut self) -> Result<bool, Broken> {
        if self.features.event_idx {
            self.shared.set_avail_event(self.next);
        } else {
            self.shared.set_no_notify(false);
        }
        // The driver's index is read after it can see the wish; else both sides could sleep.
        fence(Ordering::SeqCst);
        Ok(self.available()? > 0)
    }

    /// Asks for no kicks while this side is looking anyhow. With EVENT_IDX an event index that is
    /// not moved does that.
    pub fn disarm(&mut self) {
        if !self.features.event_idx {
            self.shared.set_no_notify(true);
        }
    }
}
