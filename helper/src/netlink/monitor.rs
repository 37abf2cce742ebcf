// SPDX-License-Identifier: MIT OR Apache-2.0
//! Link events of one interface, filtered in the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{SockFlag, SockProtocol};

use super::Netlink;
use super::link::{Link, RTM_DELLINK, describe, moved};
use super::wire;
use crate::sys::sockets;

/// RTMGRP_LINK (include/uapi/linux/rtnetlink.h).
const LINK_GROUP: u32 = 1;

/// More messages than a receive buffer of the usual size holds.
const MOST: u32 = 4096;

/// A subscription to the events of one interface.
#[derive(Debug)]
pub(crate) struct Monitor {
    netlink: Netlink,
    ifindex: u32,
}

/// An event.
pub(crate) enum Event {
    /// Nothing that concerns the interface.
    None,
    /// The interface as it is now.
    Changed(Link),
    /// The interface has left the namespace, for another one or for good.
    Gone { moved: bool },
}

impl Monitor {
    pub(crate) fn open(ifindex: u32) -> io::Result<Self> {
        let netlink = Netlink::open(SockProtocol::NetlinkRoute, LINK_GROUP, SockFlag::SOCK_NONBLOCK)?;
        sockets::filter_link_events(netlink.as_fd(), ifindex)?;
        Ok(Self { netlink, ifindex })
    }

    /// Reads one event.
    ///
    /// # Errors
    /// ENOBUFS where events were lost.
    pub(crate) fn read(&self) -> io::Result<Event> {
        let mut buffer = [0; 8192];
        let Some(datagram) = self.netlink.news(&mut buffer)? else { return Ok(Event::None) };
        let Some(message) = wire::messages(datagram).next() else { return Ok(Event::None) };
        // What came before the filter was in place may be about any interface.
        match describe(&message).filter(|link| link.ifindex == self.ifindex) {
            Some(_) if message.kind == RTM_DELLINK => Ok(Event::Gone { moved: moved(&message) }),
            Some(link) => Ok(Event::Changed(link)),
            None => Ok(Event::None),
        }
    }
}

impl Monitor {
    /// Throws away what is waiting; more than a socket can hold is not.
    pub(crate) fn discard(&self) {
        let mut buffer = [0; 8192];
        for _ in 0..MOST {
            if matches!(self.netlink.news(&mut buffer), Ok(None)) {
                return;
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.netlink.as_fd()
    }
}
