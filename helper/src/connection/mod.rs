// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets on the connection. Descriptors that a client attaches are never received: a plain
//! recv(2) has the kernel close them. No call waits by itself, whatever the flags of the file: see
//! [`patience`].

pub(crate) mod patience;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, Shutdown, recv, send, sendmsg, shutdown};
use xsk_proto::codec::{self, DecodeError};
use xsk_proto::{MAX_REQUEST, Reply, Request};

use crate::error::Failure;
use patience::Patience;

/// More packets than fit into a connection of the usual size.
const MOST: u32 = 4096;

/// A connected `SOCK_SEQPACKET` socket.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    /// A reply that is held back: it is sent before anything else is, and before a wait.
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
        Self { socket, held: RefCell::new(None) }
    }

    /// Receives one packet.
    pub(crate) fn receive(&self, patience: Patience<'_>) -> io::Result<Incoming> {
        // One byte more than is allowed, so that a longer packet shows.
        let mut packet = [0; MAX_REQUEST + 1];
        loop {
            match recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return self.send_held(patience).map(|()| Incoming::Closed),
                Ok(len) => return Ok(Incoming::Message(codec::decode_request(&packet[..len]))),
                Err(Errno::ECONNRESET) => return Ok(Incoming::Closed),
                Err(Errno::EAGAIN) => self.send_held(patience)?,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if !patience.wait(self.socket.as_fd(), PollFlags::POLLIN)? {
                return Ok(Incoming::Silence);
            }
        }
    }

    /// Holds a reply back and sends it with the next one, or before waiting. So a client that has
    /// sent everything is woken once.
    pub(crate) fn hold(&self, reply: &Reply, patience: Patience<'_>) -> io::Result<()> {
        self.send_held(patience)?;
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        self.held.replace(Some(packet));
        Ok(())
    }

    fn send_held(&self, patience: Patience<'_>) -> io::Result<()> {
        self.held.take().map_or(Ok(()), |packet| self.send_packet(&packet, &[], patience))
    }

    /// Sends a reply.
    pub(crate) fn send(&self, reply: &Reply, patience: Patience<'_>) -> io::Result<()> {
        self.send_with(reply, &[], patience)
    }

    /// Sends a reply with descriptors, in their order.
    pub(crate) fn send_with(
        &self,
        reply: &Reply,
        descriptors: &[OwnedFd],
        patience: Patience<'_>,
    ) -> io::Result<()> {
        let packet = codec::encode_reply(reply).map_err(io::Error::other)?;
        let descriptors: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        self.send_held(patience)?;
        self.send_packet(&packet, &descriptors, patience)
    }

    /// Waits for room, and for no longer than the patience lasts.
    fn send_packet(
        &self,
        packet: &[u8],
        descriptors: &[RawFd],
        patience: Patience<'_>,
    ) -> io::Result<()> {
        loop {
            match self.try_send(packet, descriptors) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if patience.wait(self.socket.as_fd(), PollFlags::POLLOUT)? => {}
                sent => return Ok(sent?),
            }
        }
    }

    fn try_send(&self, packet: &[u8], descriptors: &[RawFd]) -> nix::Result<()> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let socket = self.socket.as_raw_fd();
        if descriptors.is_empty() {
            return send(socket, packet, flags).map(drop);
        }
        let rights = [ControlMessage::ScmRights(descriptors)];
        sendmsg::<()>(socket, &[IoSlice::new(packet)], &rights, flags, None).map(drop)
    }

    /// Sends a refusal and takes nothing more. A client that is gone already is told nothing.
    pub(crate) fn refuse(&self, failure: &Failure, patience: Patience<'_>) {
        let _ = self.send(&Reply::Refused(failure.refused()), patience);
        self.hear_no_more();
    }

    /// Takes nothing more, and throws away what was not read. A close would otherwise have the
    /// other end see a reset before the last reply (net/unix/af_unix.c, `unix_release_sock`).
    pub(crate) fn hear_no_more(&self) {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Read);
        let mut packet = [0; 1];
        let mut next = || recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT);
        (0..MOST).any(|_| matches!(next(), Ok(0) | Err(_)));
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
