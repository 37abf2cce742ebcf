// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop of one queue: frames from the network to the peer, frames from the peer to the network,
//! and a poll when there is neither.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use xsk_socket::Bound;

use crate::control::Control;
use crate::counters::{Counters, Moved};
use crate::error::{self, Error};
use crate::peers::Peer;
use crate::turn::{BATCH, DEVICE_BUSY};

/// One queue with its peer.
pub struct Queue {
    /// What it is called in messages.
    pub name: String,
    /// The sockets: this queue's own first, unless another queue serves it. A peer moves them
    /// ([`Peer::exchange`]).
    pub sockets: Vec<Bound>,
    /// The other side.
    pub peer: Box<dyn Peer>,
    /// What it moved.
    pub counters: Arc<Counters>,
    /// The end.
    pub control: Arc<Control>,
    /// Never sleep, whether there are frames or not.
    pub spin: bool,
    /// The processor to stay on.
    pub cpu: Option<usize>,
}

impl Queue {
    /// Moves frames until the control or the peer says that it is over.
    ///
    /// # Errors
    /// The interface went away, or the peer failed.
    pub fn run(mut self) -> Result<(), Error> {
        while !self.control.stopped() {
            self.peer.exchange(&mut self.sockets);
            let mut received = false;
            for at in 0..self.sockets.len() {
                received |= self.receive(at)?;
            }
            let sent = self.supply()?;
            let pending = self.flush()?;
            if received || sent.frames > 0 {
                continue;
            }
            if self.peer.done() && pending == 0 {
                break;
            }
            self.peer.idle()?;
            if !self.spin {
                self.sleep(pending > 0)?;
            }
        }
        self.flush()?;
        self.peer.finish()
    }

    #[inline]
    fn receive(&mut self, at: usize) -> Result<bool, Error> {
        let room = self.peer.room().min(BATCH);
        if room == 0 {
            return Ok(false);
        }
        let mut batch = self.sockets[at].recv(room);
        if batch.is_empty() {
            return Ok(false);
        }
        let moved = Moved { frames: batch.len() as u64, bytes: batch.bytes() };
        self.counters.received(moved);
        self.peer.receive(&mut batch, &self.counters)?;
        let (frames, bytes) = batch.sent_back();
        self.counters.sent(Moved { frames, bytes });
        drop(batch);
        self.control.account(moved.frames);
        Ok(true)
    }

    #[inline]
    fn supply(&mut self) -> Result<Moved, Error> {
        let Some(socket) = self.sockets.first_mut() else { return Ok(Moved::default()) };
        let sent = self.peer.supply(socket, &self.counters)?;
        self.counters.sent(sent);
        Ok(sent)
    }

    fn flush(&mut self) -> Result<u32, Error> {
        let mut pending = 0;
        for socket in &mut self.sockets {
            pending += socket.flush().map_err(|error| error::socket(&self.name, &error))?;
        }
        Ok(pending)
    }

    /// Waits for the network, the peer or the end.
    fn sleep(&mut self, pending: bool) -> Result<(), Error> {
        let pending = pending || self.sockets.iter_mut().any(|socket| socket.room() == 0);
        let takes = self.peer.room() > 0;
        let interest = self.peer.interest();
        let limit = if pending { Some(DEVICE_BUSY) } else { interest.within };
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut fds = vec![PollFd::from_borrowed_fd(self.control.stop_event(), PollFlags::IN)];
        if takes {
            fds.extend(self.sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
        }
        if let Some((fd, events)) = &interest.on {
            fds.push(PollFd::from_borrowed_fd(fd.as_fd(), *events));
        }
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(error::io(&self.name, "poll", errno)),
        }
    }
}
