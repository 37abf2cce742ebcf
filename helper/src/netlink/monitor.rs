// SPDX-License-Identifier: MIT OR Apache-2.0
//! Link events of one interface, filtered in the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::link::{Link, describe};
use crate::sys::sockets;

/// RTMGRP_LINK (include/uapi/linux/rtnetlink.h).
const LINK_GROUP: u32 = 1;

/// A subscription to the events of one interface.
pub(crate) struct Monitor(Socket);

/// An event.
pub(crate) enum Message {
    /// Nothing that concerns the interface.
    None,
    /// The interface as it is now.
    Changed(Link),
    /// The interface has left the namespace, for another one or for good.
    Gone { moved: bool },
}

impl Monitor {
    pub(crate) fn open(ifindex: u32) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        sockets::filter_link_events(socket.as_fd(), ifindex)?;
        socket.bind(&SocketAddr::new(0, LINK_GROUP))?;
        Ok(Self(socket))
    }

    /// Reads one event.
    ///
    /// # Errors
    /// ENOBUFS where events were lost.
    pub(crate) fn read(&self) -> io::Result<Message> {
        let (datagram, from) = match self.0.recv_from_full() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Message::None),
            other => other?,
        };
        if from.port_number() != 0 {
            return Ok(Message::None);
        }
        let message =
            NetlinkMessage::<RouteNetlinkMessage>::deserialize(&datagram).map_err(io::Error::other)?;
        Ok(match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                Message::Changed(describe(link))
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
                Message::Gone { moved: moved(&link) }
            }
            _ => Message::None,
        })
    }
}

/// The kernel says where to, if it knows (net/core/dev.c, `__dev_change_net_namespace`).
fn moved(link: &LinkMessage) -> bool {
    let says = |attribute: &LinkAttribute| {
        matches!(attribute, LinkAttribute::NewNetnsId(_) | LinkAttribute::NewIfIndex(_))
    };
    link.attributes.iter().any(says)
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
