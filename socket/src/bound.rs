// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last state: a socket on its queue, that receives and sends.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::batch::RxBatch;
use crate::config::BindOptions;
use crate::datapath::DataPath;
use crate::error::Error;
use crate::monitor::{Monitor, Statistics};
use crate::sys::Descriptor;

/// An AF_XDP socket bound to one queue of one interface.
#[derive(Debug)]
pub struct Bound {
    datapath: DataPath,
    ifindex: u32,
    queue: u32,
    need_wakeup: bool,
    zero_copy: bool,
    longest: usize,
    several: bool,
}

/// Why a frame was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All frames are in use: flush, wait, and try again.
    #[error("no free frame; flush and try again")]
    NoRoom,
    /// Empty, or longer than [`Bound::longest`].
    #[error("a frame must have 1 byte at least, and not more than the socket was bound for")]
    BadLength,
}

impl Bound {
    pub(crate) fn new(
        datapath: DataPath,
        to: (u32, u32),
        options: &BindOptions,
        zero_copy: bool,
    ) -> Self {
        let ((ifindex, queue), need_wakeup) = (to, options.need_wakeup);
        let longest = options.longest.unwrap_or(datapath.ledger.frame_size());
        let several = options.several(datapath.ledger.frame_size());
        Self { datapath, ifindex, queue, need_wakeup, zero_copy, longest, several }
    }

    /// Receives up to `max` frames that are there already. Never blocks; [`wait`](Self::wait) does.
    #[inline]
    pub fn recv(&mut self, max: usize) -> RxBatch<'_> {
        self.datapath.complete();
        self.datapath.refill();
        self.datapath.take_received(max);
        RxBatch::new(&mut self.datapath)
    }

    /// How many frames [`send`](Self::send) would take now, however long they are.
    #[inline]
    pub fn room(&mut self) -> usize {
        self.datapath.complete();
        match self.longest.div_ceil(self.datapath.ledger.frame_size()) {
            0 | 1 => self.datapath.ledger.free(),
            buffers => self.datapath.ledger.free() / buffers,
        }
    }

    /// Copies a frame into the transmit ring. It leaves with the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Refused`]; nothing was taken then.
    #[inline]
    pub fn send(&mut self, frame: &[u8]) -> Result<(), Refused> {
        if frame.len() > self.datapath.ledger.frame_size() && frame.len() <= self.longest {
            return if self.datapath.scatter(frame) { Ok(()) } else { Err(Refused::NoRoom) };
        }
        self.send_with(frame.len(), |to| to.copy_from_slice(frame))
    }

    /// Lets `write` make a frame of `len` bytes in the transmit ring. The bytes hold what was there
    /// before. It has to fit into one frame of the UMEM.
    ///
    /// # Errors
    /// [`Refused`]; `write` was not called then.
    #[inline]
    pub fn send_with(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> Result<(), Refused> {
        if len == 0 || len > self.longest.min(self.datapath.ledger.frame_size()) {
            return Err(Refused::BadLength);
        }
        if self.datapath.ledger.free() == 0 {
            self.datapath.complete();
        }
        let addr = self.datapath.ledger.lend_to_tx().ok_or(Refused::NoRoom)?;
        write(self.datapath.umem.bytes_mut(addr as usize, len));
        let descriptor = Descriptor { addr, len: len as u32, options: 0 };
        if self.datapath.rings.tx.push(descriptor) { Ok(()) } else { Err(Refused::NoRoom) }
    }

    /// Hands the transmit ring to the kernel, waking it where it asks for that, and returns how
    /// many frames it has not taken yet. More than none means that the device is busy or down: wait
    /// a little and flush again.
    ///
    /// # Errors
    /// [`Error::Gone`] if the interface went away; [`Error::Os`].
    pub fn flush(&mut self) -> Result<u32, Error> {
        self.datapath.rings.tx.publish();
        self.wake_receive();
        let mut pending = self.datapath.rings.tx.pending();
        while pending > 0 && self.wants_kick() {
            self.kick()?;
            let left = self.datapath.rings.tx.pending();
            if left == pending {
                break;
            }
            pending = left;
        }
        Ok(pending)
    }

    /// In copy mode the kernel sends only inside a system call, whatever the flag says: always kick
    /// there.
    fn wants_kick(&self) -> bool {
        !self.zero_copy || !self.need_wakeup || self.datapath.rings.tx.needs_wakeup()
    }

    /// EAGAIN, EBUSY and ENOBUFS mean "not all at once"; ENETDOWN that the interface is down for
    /// the moment.
    fn kick(&self) -> Result<(), Error> {
        match send(self.as_fd(), &[], SendFlags::DONTWAIT) {
            Ok(_)
            | Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS | Errno::NETDOWN | Errno::INTR) => {
                Ok(())
            }
            Err(Errno::NXIO) => Err(Error::Gone(self.ifindex)),
            Err(errno) => Err(Error::os("send on the AF_XDP socket", errno)),
        }
    }

    /// A zero-copy driver that ran out of fill entries wants to be told that there are new ones.
    fn wake_receive(&self) {
        if self.zero_copy && self.need_wakeup && self.datapath.rings.fill.needs_wakeup() {
            // Nothing is read; an error shows in the next send or in Monitor::check.
            let _ = recv(self.as_fd(), &mut [0_u8; 0], RecvFlags::DONTWAIT);
        }
    }

    /// Waits until there is something to receive, or for `longest` (none: for ever). True if there
    /// is.
    ///
    /// # Errors
    /// [`Error::Os`]. An interrupting signal is not an error.
    pub fn wait(&self, longest: Option<Duration>) -> Result<bool, Error> {
        let limit = longest.and_then(|longest| Timespec::try_from(longest).ok());
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(Error::os("wait for the AF_XDP socket", errno)),
        }
    }

    /// Returns whether the NIC uses the UMEM itself, as the kernel answered after the bind.
    pub fn zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// The interface.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The queue.
    pub fn queue(&self) -> u32 {
        self.queue
    }

    /// The longest frame that can be sent.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Returns whether frames may have several buffers.
    pub fn several_buffers(&self) -> bool {
        self.several
    }

    /// Bytes a frame of the UMEM.
    pub fn frame_size(&self) -> usize {
        self.datapath.ledger.frame_size()
    }

    /// Frames in the UMEM.
    pub fn frames(&self) -> usize {
        self.datapath.ledger.frames()
    }

    /// Addresses out of the rings that the kernel cannot have had: somebody else writes to the
    /// rings.
    pub fn foreign_addresses(&self) -> u64 {
        self.datapath.ledger.foreign()
    }

    /// The kernel's counters.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn statistics(&self) -> Result<Statistics, Error> {
        self.monitor().statistics()
    }

    /// A handle for another thread to watch this socket by.
    pub fn monitor(&self) -> Monitor {
        let single = !self.zero_copy && !self.several;
        Monitor::new(Arc::clone(&self.datapath.fd), self.ifindex, single)
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.datapath.fd.as_fd()
    }
}
