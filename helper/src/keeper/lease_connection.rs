// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection of a lease. Nothing on it ever waits, but for one thing: a client that has not
//! received its sockets yet holds the process up. Descriptors under way count against their sender,
//! and that is the service user for everybody (net/unix/scm.c, `too_many_unix_fds`); so the user
//! whose they are keeps a place in the limits as long as they are.

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

    /// A client that does not read misses it.
    pub(super) fn say(&mut self, reply: &Reply) {
        // What is said now would hide whether the sockets were received before.
        self.is_taken();
        let _ = self.connection.send(reply, Patience::NONE);
    }

    /// Whether the sockets are received, or thrown away with a connection that is gone. One that is
    /// shut down may have them yet, and says nothing any more.
    fn is_taken(&mut self) -> bool {
        self.taken |= sockets::is_all_received(self.connection.as_fd());
        self.taken
    }

    /// Itself, where the sockets are not received yet.
    pub(super) fn untaken(mut self) -> Option<Self> {
        (!self.is_taken()).then_some(self)
    }

    /// Takes off what the client says: its own end of the connection perhaps, which has to be
    /// closed to be gone.
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
