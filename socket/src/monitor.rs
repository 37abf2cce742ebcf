// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking at a bound socket from another thread than the one that moves its frames.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::sockopt::{socket_error, xdp_statistics};

use crate::error::Error;

/// The kernel's counters of a socket (`XDP_STATISTICS`). All count from the socket's creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Frames dropped for a reason other than a full receive ring: in copy mode no buffer in the
    /// fill ring, or a frame longer than one.
    pub rx_dropped: u64,
    /// Fill ring entries that the kernel refused.
    pub rx_invalid_descs: u64,
    /// Transmit ring entries that the kernel refused.
    pub tx_invalid_descs: u64,
    /// Frames dropped since the receive ring was full (0 before Linux 5.9).
    pub rx_ring_full: u64,
    /// How often the fill ring was found empty (0 before Linux 5.9). In copy mode each time is a
    /// frame, and is in `rx_dropped` too; in zero-copy mode it is the driver that looked, and no
    /// frame need be lost.
    pub rx_fill_ring_empty: u64,
    /// Frames longer than a buffer, as far as that is to be told: those in `rx_dropped` that did
    /// not lack one. 0 in zero-copy mode, where the driver sees to it.
    pub rx_too_long: u64,
    /// How often the kernel found the transmit ring empty (0 before Linux 5.9). Not a fault.
    pub tx_ring_empty: u64,
}

impl Statistics {
    /// Frames that were meant for this socket and did not reach it, as far as the socket's own
    /// counters know (`__xsk_rcv` in net/xdp/xsk.c).
    pub fn drops(&self) -> u64 {
        self.rx_dropped + self.rx_ring_full
    }
}

/// A second look at a bound socket. It keeps the socket, and so the queue, alive: drop it with the
/// socket.
#[derive(Debug, Clone)]
pub struct Monitor {
    fd: Arc<OwnedFd>,
    ifindex: u32,
    /// Whether the kernel copies each frame into one buffer.
    single: bool,
}

impl Monitor {
    pub(crate) fn new(fd: Arc<OwnedFd>, ifindex: u32, single: bool) -> Self {
        Self { fd, ifindex, single }
    }

    /// Reads the kernel's counters.
    ///
    /// # Errors
    /// [`Error::Os`], with what the kernel answered.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let read =
            xdp_statistics(&self.fd).map_err(|errno| Error::os("read XDP_STATISTICS", errno))?;
        let unfilled = read.rx_fill_ring_empty_descs.filter(|_| self.single);
        Ok(Statistics {
            // `xsk_rcv_check` and `__xsk_rcv` in net/xdp/xsk.c: no other cause is counted as
            // dropped.
            rx_too_long: unfilled.map_or(0, |unfilled| read.rx_dropped.saturating_sub(unfilled)),
            rx_dropped: read.rx_dropped,
            rx_invalid_descs: read.rx_invalid_descs,
            tx_invalid_descs: read.tx_invalid_descs,
            rx_ring_full: read.rx_ring_full.unwrap_or(0),
            rx_fill_ring_empty: read.rx_fill_ring_empty_descs.unwrap_or(0),
            tx_ring_empty: read.tx_ring_empty_descs.unwrap_or(0),
        })
    }

    /// Returns whether the interface is still there. The kernel says so in SO_ERROR and by no poll
    /// event, so ask now and then; it says so **once**, so let one place ask.
    ///
    /// # Errors
    /// [`Error::Gone`] if the interface was removed or left the namespace.
    pub fn check(&self) -> Result<(), Error> {
        match socket_error(&self.fd) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Errno::NETDOWN)) => Err(Error::Gone(self.ifindex)),
            Ok(Err(errno)) | Err(errno) => Err(Error::os("use the AF_XDP socket", errno)),
        }
    }
}
