// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection of a lease. No call on it blocks, but a client that has not received its sockets
//! yet keeps the process. Descriptors in flight count against their sender, which is the service
//! user for all clients (net/unix/scm.c, `too_many_unix_fds`); so the client's user keeps a place
//! in the limits for as long.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use xsk_proto::Reply;

use crate::connection::patience::Patience;
use crate::connection::{Connection, Incoming};
use crate::sys::sockets;

/// How many messages are taken off at a time.
const AT_A_TIME: u32 = 64;

#[derive(Debug)]
pub(super) struct LeaseConnection {
    connection: Connection,
    /// The client was seen to have received everything.
    taken: bool,
}

impl LeaseConnection {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, taken: false }
    }

    /// What came.
    pub(super) fn receive(&self) -> io::Result<Incoming> {
        self.connection.receive(Patience::NONE)
    }

    /// Sends a reply. A client that does not read misses it.
    pub(super) fn say(&mut self, reply: &Reply) {
        // A reply in the queue would hide whether the sockets were received before.
        self.is_taken();
        let _ = self.connection.send(reply, Patience::NONE);
    }

    /// Returns whether the client has received the sockets, or they were discarded with a closed
    /// connection. A connection that is only shut down may still hold them.
    fn is_taken(&mut self) -> bool {
        self.taken |= sockets::is_all_received(self.connection.as_fd());
        self.taken
    }

    /// Returns itself if the sockets are not received yet.
    pub(super) fn untaken(mut self) -> Option<Self> {
        (!self.is_taken()).then_some(self)
    }

    /// Discards what the client sends. That may be its own end of the connection, which is closed
    /// by this.
    pub(super) fn discard(&self) {
        for _ in 0..AT_A_TIME {
            if !matches!(self.receive(), Ok(Incoming::Message(_))) {
                return;
            }
        }
    }
}

impl AsFd for LeaseConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
