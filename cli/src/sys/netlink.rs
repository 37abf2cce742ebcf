// SPDX-License-Identifier: MIT OR Apache-2.0
//! This crate's netlink sockets, none of which needs a privilege. What is asked and how the answers
//! read is in `xsk-netlink`. The answers are about the network namespace that this process is in;
//! sysfs shows the one in which it was mounted.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto,
    socket_with,
};
use xsk_netlink::{Ask, Message, Request, Route, read_answer};

use super::packet::ready;

/// How long the kernel may take; it is at once, unless it waits for a driver.
const PATIENCE: Duration = Duration::from_secs(2);

/// As large as any answer: one about a card with many virtual functions is tens of kilobytes.
const DATAGRAM: usize = 65536;

/// Questions to rtnetlink.
pub(crate) type Netlink = Route<Socket>;
/// Questions to the generic netlink family `netdev`.
pub(crate) type Netdev = xsk_netlink::Netdev<Socket>;
/// Questions to the generic netlink family `ethtool`.
pub(crate) type Ethtool = xsk_netlink::Ethtool<Socket>;

/// A netlink socket.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: OwnedFd,
    /// The number of the last request.
    sequence: Cell<u32>,
}

impl Socket {
    /// NETLINK_ROUTE is protocol 0.
    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        Ok(Self { socket, sequence: Cell::new(0) })
    }

    /// Has the kernel check requests, and list only what they ask for.
    fn set_strict(&self) -> io::Result<()> {
        let on: libc::c_int = 1;
        let (pointer, length) = (&raw const on, size_of::<libc::c_int>() as libc::socklen_t);
        let (level, option) = (libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK);
        // SAFETY: `on` outlives the call, and `length` is its size.
        match unsafe {
            libc::setsockopt(self.socket.as_raw_fd(), level, option, pointer.cast(), length)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Ask for Socket {
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        let sequence = self.sequence.get();
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &request.into_bytes(sequence), SendFlags::empty(), &kernel)?;
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            ready(self.socket.as_fd(), PollFlags::IN, deadline)?;
            let (length, _) = recv(&self.socket, &mut buffer[..], RecvFlags::empty())?;
            let datagram = buffer.get(..length).unwrap_or_default();
            if let Some(end) = read_answer(datagram, sequence, each).break_value() {
                return end;
            }
        }
    }
}

/// Opens a socket for questions about interfaces.
pub(crate) fn route() -> io::Result<Netlink> {
    let socket = Socket::open(None)?;
    socket.set_strict()?;
    Ok(Route(socket))
}

/// Finds the family `netdev`; `None` where the kernel has none (before 6.3).
pub(crate) fn netdev(kernel: (u32, u32)) -> io::Result<Option<Netdev>> {
    Netdev::find(Socket::open(Some(GENERIC))?, kernel)
}

/// Finds the family `ethtool`; `None` where the kernel was built without it.
pub(crate) fn ethtool() -> io::Result<Option<Ethtool>> {
    Ethtool::find(Socket::open(Some(GENERIC))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_netlink::Features;

    const NEWEST: (u32, u32) = (7, 0);

    #[test]
    fn the_loopback_is_there_by_name_and_by_index() {
        let route = route().unwrap();
        let link = route.link_by_name("lo").unwrap().unwrap();
        assert_eq!((link.ifindex, link.name.as_str(), link.kind.as_str()), (1, "lo", ""));
        assert_eq!(route.link_by_index(1).unwrap(), Some(link));
    }

    #[test]
    fn a_missing_interface_is_none() {
        let route = route().unwrap();
        assert_eq!(route.link_by_name("nonesuch0").unwrap(), None);
        assert_eq!(route.link_by_index(0x7fff_0000).unwrap(), None);
    }

    #[test]
    fn the_loopback_has_no_default_route_and_no_functions() {
        let route = route().unwrap();
        assert!(!route.has_default_route(1).unwrap());
        assert_eq!(route.virtual_function(1, 0).unwrap(), None);
    }

    #[test]
    fn the_loopback_has_no_xdp_of_its_own() {
        if let Some(netdev) = netdev(NEWEST).unwrap() {
            assert_eq!(netdev.features(1).unwrap(), Features(0));
        }
    }

    #[test]
    fn the_loopback_has_features_and_no_channels() {
        let ethtool = ethtool().unwrap().unwrap();
        let features = ethtool.features(1).unwrap();
        assert!(
            features.contains("tx-scatter-gather") && !features.contains("rx-lro"),
            "{features:?}"
        );
        assert_eq!(ethtool.channels(1).unwrap(), None);
    }

    #[test]
    fn features_of_a_missing_interface_are_an_error() {
        let features = ethtool().unwrap().unwrap().features(0x7fff_0000);
        assert_eq!(features.unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
