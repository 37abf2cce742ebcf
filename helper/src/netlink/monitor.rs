// SPDX-License-Identifier: MIT OR Apache-2.0
//! Link events of one interface, filtered in the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{SockFlag, SockProtocol};
use xsk_netlink::Event;

use super::Socket;
use crate::sys::sockets;

/// More messages than a receive buffer of the usual size holds.
const MOST: u32 = 4096;

/// A subscription to the events of one interface.
#[derive(Debug)]
pub(crate) struct Monitor {
    socket: Socket,
    ifindex: u32,
}

impl Monitor {
    pub(crate) fn open(ifindex: u32) -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK as u32;
        let socket = Socket::open(SockProtocol::NetlinkRoute, groups, SockFlag::SOCK_NONBLOCK)?;
        sockets::filter_link_events(socket.as_fd(), ifindex)?;
        Ok(Self { socket, ifindex })
    }

    /// Reads one event; `None` where that is not about the interface, as what came before the
    /// filter was in place may be.
    ///
    /// # Errors
    /// ENOBUFS where events were lost.
    pub(crate) fn read(&self) -> io::Result<Option<Event>> {
        let mut buffer = [0; 8192];
        let datagram = self.socket.news(&mut buffer)?;
        Ok(datagram.and_then(|datagram| Event::read(datagram, self.ifindex)))
    }

    /// Throws away what is waiting; more than a socket can hold is not.
    pub(crate) fn discard(&self) {
        let mut buffer = [0; 8192];
        for _ in 0..MOST {
            if matches!(self.socket.news(&mut buffer), Ok(None)) {
                return;
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
