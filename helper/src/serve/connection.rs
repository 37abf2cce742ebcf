// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets on the connection. Descriptors that a client attaches are never received: a plain recv(2) has
//! the kernel close them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sendfd::SendWithFd;
use xsk_proto::codec::{self, DecodeError};
use xsk_proto::{MAX_REQUEST, Reply, Request};

/// A connected `SOCK_SEQPACKET` socket. The standard library has no such type; its datagram socket makes the
/// same system calls.
#[derive(Debug)]
pub(crate) struct Connection(UnixDatagram);

/// What came.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Result<Request, DecodeError>),
    /// The other end closed, or shut its side down.
    Closed,
    /// Nothing came in time.
    Silence,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(UnixDatagram::from(socket))
    }

    /// How long a receive or a send may take.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(patience))?;
        self.0.set_write_timeout(Some(patience))
    }

    /// Never waits again, neither to receive nor to send.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        self.0.set_nonblocking(true)
    }

    /// Waits from now on.
    pub(crate) fn set_blocking(&self) -> io::Result<()> {
        self.0.set_nonblocking(false)
    }

    /// Receives one packet.
    pub(crate) fn receive(&self) -> io::Result<Incoming> {
        // One byte more than is allowed, so that a longer packet shows.
        let mut packet = [0; MAX_REQUEST + 1];
        match self.0.recv(&mut packet) {
            Ok(0) => Ok(Incoming::Closed),
            Ok(len) => Ok(Incoming::Message(codec::decode_request(&packet[..len]))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Incoming::Silence),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Incoming::Closed),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.receive(),
            Err(error) => Err(error),
        }
    }

    /// Sends a reply.
    pub(crate) fn send(&self, reply: &Reply) -> io::Result<()> {
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        self.0.send(&packet).map(drop)
    }

    /// Sends a reply with descriptors, in their order.
    pub(crate) fn send_with(&self, reply: &Reply, descriptors: &[OwnedFd]) -> io::Result<()> {
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        let descriptors: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        self.0.send_with_fd(&packet, &descriptors).map(drop)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
