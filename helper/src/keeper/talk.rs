// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection of a lease. Nothing on it ever blocks, but for one thing: who has not received his sockets yet holds
//! the process up. Descriptors under way count against whoever sent them, and that is the service user for everybody
//! (net/unix/scm.c, `too_many_unix_fds`); so the user whose they are keeps his place in the limits as long as they are.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use xsk_proto::Reply;

use crate::serve::connection::{Connection, Incoming};
use crate::sys::sockets;

/// How often is looked whether they were received; a hang-up is seen at once.
const PAUSE: u16 = 1000;
/// How many messages are taken off at a time.
const AT_A_TIME: u32 = 64;

#[derive(Debug)]
pub(super) struct Talk {
    connection: Connection,
    /// The client was seen to have received everything.
    taken: bool,
}

impl Talk {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, taken: false }
    }

    /// What came.
    pub(super) fn receive(&self) -> io::Result<Incoming> {
        self.connection.receive()
    }

    /// A client that does not read misses it: the connection never blocks.
    pub(super) fn say(&mut self, reply: &Reply) {
        // What is said now would hide whether the sockets were received before.
        self.is_taken();
        let _ = self.connection.send(reply);
    }

    /// Stays until the sockets are received, or nobody is there to receive them.
    pub(super) fn until_taken(mut self) {
        while !self.is_taken() && !self.is_over() {
            let mut set = [PollFd::new(self.connection.as_fd(), PollFlags::empty())];
            let _ = poll(&mut set, PollTimeout::from(PAUSE));
        }
    }

    fn is_taken(&mut self) -> bool {
        self.taken |= sockets::is_all_received(self.connection.as_fd());
        self.taken
    }

    /// Takes off what the client says, his own end of the connection perhaps, which has to be closed to be seen.
    fn is_over(&self) -> bool {
        (0..AT_A_TIME).any(|_| matches!(self.receive(), Ok(Incoming::Closed) | Err(_)))
    }
}

impl AsFd for Talk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
