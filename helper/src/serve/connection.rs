// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets on the connection. Descriptors that a client attaches are never received: a plain recv(2) has
//! the kernel close them.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use sendfd::SendWithFd;
use xsk_proto::codec::{self, DecodeError};
use xsk_proto::{MAX_REQUEST, Reply, Request};

/// A connected `SOCK_SEQPACKET` socket. The standard library has no such type; its datagram socket makes the
/// same system calls.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: UnixDatagram,
    /// What goes off before anything else does, and before a wait.
    held: RefCell<Option<Vec<u8>>>,
}

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
        Self { socket: UnixDatagram::from(socket), held: RefCell::new(None) }
    }

    /// How long a receive or a send may take.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(patience))?;
        self.socket.set_write_timeout(Some(patience))
    }

    /// Never waits again, neither to receive nor to send.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    /// Waits from now on.
    pub(crate) fn set_blocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(false)
    }

    /// Receives one packet.
    pub(crate) fn receive(&self) -> io::Result<Incoming> {
        // One byte more than is allowed, so that a longer packet shows.
        let mut packet = [0; MAX_REQUEST + 1];
        match self.wait(&mut packet) {
            Ok(0) => Ok(Incoming::Closed),
            Ok(len) => Ok(Incoming::Message(codec::decode_request(&packet[..len]))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Incoming::Silence),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Incoming::Closed),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.receive(),
            Err(error) => Err(error),
        }
    }

    /// With something to send before a wait, it is looked first whether there is one.
    fn wait(&self, packet: &mut [u8]) -> io::Result<usize> {
        if self.held.borrow().is_some() {
            match recv(self.socket.as_raw_fd(), packet, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => self.send_held()?,
                // Nothing more comes, but it may still be read.
                Ok(0) => return self.send_held().map(|()| 0),
                result => return Ok(result?),
            }
        }
        self.socket.recv(packet)
    }

    /// Sends a reply together with the next one, or when there is nothing to receive: a client that has said all it has
    /// to say is woken once.
    pub(crate) fn hold(&self, reply: &Reply) -> io::Result<()> {
        self.send_held()?;
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        self.held.replace(Some(packet));
        Ok(())
    }

    fn send_held(&self) -> io::Result<()> {
        self.held.take().map_or(Ok(()), |packet| self.put(&packet))
    }

    /// Sends a reply.
    pub(crate) fn send(&self, reply: &Reply) -> io::Result<()> {
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        self.send_held()?;
        self.put(&packet)
    }

    /// By send(2): a keeper may write to its log alone.
    fn put(&self, packet: &[u8]) -> io::Result<()> {
        Ok(send(self.socket.as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL).map(drop)?)
    }

    /// Sends a reply with descriptors, in their order.
    pub(crate) fn send_with(&self, reply: &Reply, descriptors: &[OwnedFd]) -> io::Result<()> {
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        let descriptors: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        self.send_held()?;
        self.socket.send_with_fd(&packet, &descriptors).map(drop)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
