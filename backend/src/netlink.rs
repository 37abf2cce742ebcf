// SPDX-License-Identifier: MIT OR Apache-2.0
//! Index and MAC address of an interface in this network namespace. They are asked by netlink, since
//! sysfs shows the namespace in which it was mounted.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use xsk_netlink::{Ask, Link, Message, Request, Route, read_answer};

const DATAGRAM: usize = 32768;

/// A socket for one question. The kernel answers while that is sent, so that nothing waits.
struct Socket(OwnedFd);

impl Socket {
    /// NETLINK_ROUTE is protocol 0.
    fn open() -> io::Result<Self> {
        let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
        Ok(Self(socket_with(family, SocketType::RAW, flags, None)?))
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

/// Returns the interface of this name.
///
/// # Errors
/// There is no such interface.
pub(crate) fn link(ifname: &str) -> io::Result<Link> {
    let found = Route(Socket::open()?).link_by_name(ifname)?;
    found.ok_or_else(|| rustix::io::Errno::NODEV.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_and_a_long_name_is_not_cut() {
        let loopback = link("lo").unwrap();
        assert_eq!((loopback.ifindex, loopback.mac), (1, [0; 6]));
        assert!(link("lo\0").is_err());
        assert!(link("no-such-if").is_err());
        assert!(link("lo00000000000000000000").is_err());
    }
}
