// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ring's memory joined with its index arithmetic, and the four rings of a socket.
#![forbid(unsafe_code)]

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::xdp::{
    XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING, XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING,
    XdpRingFlags,
};

use crate::error::Error;
use crate::ring::{Consume, Produce};
use crate::sys::{Descriptor, RingMemory, Slot};

/// A ring that this side writes: fill and transmit.
#[derive(Debug)]
pub(crate) struct Producer<T> {
    memory: RingMemory<T>,
    index: Produce,
}

impl<T: Slot> Producer<T> {
    /// Entries that the kernel has not taken yet.
    #[inline]
    pub(crate) fn pending(&mut self) -> u32 {
        self.index.observe(self.memory.consumed());
        self.index.pending()
    }

    /// Writes an entry, to be seen after [`publish`](Self::publish); false when the ring is full.
    #[inline]
    pub(crate) fn push(&mut self, value: T) -> bool {
        if self.index.room() == 0 {
            self.index.observe(self.memory.consumed());
        }
        match self.index.claim() {
            Some(index) => self.memory.write(index, value),
            None => return false,
        }
        true
    }

    #[inline]
    pub(crate) fn publish(&self) {
        self.memory.publish_produced(self.index.next());
    }

    /// Returns whether the kernel wants a system call before it looks at the ring.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.memory.flags() & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0
    }
}

/// A ring that this side reads: completion and receive.
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    memory: RingMemory<T>,
    index: Consume,
}

impl<T: Slot> Consumer<T> {
    #[inline]
    pub(crate) fn available(&mut self) -> u32 {
        self.index.observe(self.memory.produced());
        self.index.available()
    }

    /// Reads an entry among those which [`available`](Self::available) saw.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.index.claim().map(|index| self.memory.read(index))
    }

    /// Gives the slots that were read back to the kernel.
    #[inline]
    pub(crate) fn release(&self) {
        self.memory.publish_consumed(self.index.next());
    }
}

/// The four rings. Each holds as many entries as there are frames, so that none can overflow.
#[derive(Debug)]
pub(crate) struct Rings {
    pub(crate) fill: Producer<u64>,
    pub(crate) completion: Consumer<u64>,
    pub(crate) rx: Consumer<Descriptor>,
    pub(crate) tx: Producer<Descriptor>,
}

impl Rings {
    /// Sets up and maps the four rings with `size` entries each, a power of two.
    pub(crate) fn create(fd: BorrowedFd<'_>, size: u32) -> Result<Self, Error> {
        let made = |ring| {
            move |errno| if errno == Errno::INVAL { Error::InUse } else { Error::os(ring, errno) }
        };
        sockopt::set_xdp_umem_fill_ring_size(fd, size).map_err(made("make the fill ring"))?;
        sockopt::set_xdp_umem_completion_ring_size(fd, size)
            .map_err(made("make the completion ring"))?;
        sockopt::set_xdp_rx_ring_size(fd, size).map_err(made("make the receive ring"))?;
        sockopt::set_xdp_tx_ring_size(fd, size).map_err(made("make the transmit ring"))?;
        Self::map(fd, size).map_err(|errno| Error::os("map the rings", errno))
    }

    fn map(fd: BorrowedFd<'_>, size: u32) -> Result<Self, Errno> {
        let at = sockopt::xdp_mmap_offsets(fd)?;
        let fill = RingMemory::map(fd, XDP_UMEM_PGOFF_FILL_RING, &at.fr, size)?;
        let completion = RingMemory::map(fd, XDP_UMEM_PGOFF_COMPLETION_RING, &at.cr, size)?;
        let rx = RingMemory::map(fd, XDP_PGOFF_RX_RING, &at.rx, size)?;
        let tx = RingMemory::map(fd, XDP_PGOFF_TX_RING, &at.tx, size)?;
        Ok(Self {
            fill: Producer { memory: fill, index: Produce::new(size) },
            completion: Consumer { memory: completion, index: Consume::new(size) },
            rx: Consumer { memory: rx, index: Consume::new(size) },
            tx: Producer { memory: tx, index: Produce::new(size) },
        })
    }
}
