// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions about the interfaces of this network namespace. They are asked by netlink, since sysfs
//! shows the namespace in which it was mounted.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto,
    socket_with,
};
use xsk_netlink::{Ask, Ethtool, Link, Message, Request, Route, read_answer};

const DATAGRAM: usize = 32768;

/// `RTMGRP_LINK`: news of interfaces (include/uapi/linux/rtnetlink.h).
const LINKS: u32 = 1;

/// A socket for one question. The kernel answers while that is sent, so that nothing waits.
struct Socket(OwnedFd);

impl Socket {
    /// NETLINK_ROUTE is protocol 0.
    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
        Ok(Self(socket_with(family, SocketType::RAW, flags, protocol)?))
    }
}

impl Ask for Socket {
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.0, &request.into_bytes(0), SendFlags::empty(), &kernel)?;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let (length, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            let datagram = buffer.get(..length).unwrap_or_default();
            if let Some(end) = read_answer(datagram, 0, each).break_value() {
                return end;
            }
        }
    }
}

/// Returns the interface of this name; `None` where there is none.
///
/// # Errors
/// What the kernel says otherwise.
pub fn link(ifname: &str) -> io::Result<Option<Link>> {
    Route(Socket::open(None)?).link_by_name(ifname)
}

/// The names of all interfaces; none where the kernel does not answer.
pub(crate) fn names() -> Vec<String> {
    let links = Socket::open(None).and_then(|socket| Route(socket).links()).unwrap_or_default();
    links.into_iter().map(|link| link.name).collect()
}

/// The channels in use to receive, where the driver tells.
pub(crate) fn receive_channels(ifindex: u32) -> Option<u32> {
    let ethtool = Ethtool::find(Socket::open(Some(GENERIC)).ok()?).ok()??;
    let channels = ethtool.channels(ifindex).ok()??;
    Some(channels.rx.saturating_add(channels.combined)).filter(|count| *count > 0)
}

/// News of interfaces that come, go, or get another name.
#[derive(Debug)]
pub(crate) struct News(OwnedFd);

impl News {
    pub(crate) fn listen() -> io::Result<Self> {
        let Socket(socket) = Socket::open(None)?;
        bind(&socket, &SocketAddrNetlink::new(0, LINKS))?;
        Ok(Self(socket))
    }

    /// Waits for news, at most so long.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<()> {
        let limit = Timespec::try_from(limit).ok();
        poll(&mut [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)], limit.as_ref())?;
        // What they say does not matter, nor that some were lost (ENOBUFS): the caller looks.
        let mut buffer = [0; 1];
        while recv(&self.0, &mut buffer[..], RecvFlags::DONTWAIT).is_ok() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_and_a_long_name_is_not_cut() {
        let loopback = link("lo").unwrap().unwrap();
        assert_eq!((loopback.ifindex, loopback.mac), (1, [0; 6]));
        let found = |name| link(name).is_ok_and(|link| link.is_some());
        assert!(!found("lo\0") && !found("no-such-if") && !found("lo00000000000000000000"));
    }
}
