// SPDX-License-Identifier: MIT OR Apache-2.0
//! The helper's netlink sockets. What is asked and how the answers read is in `xsk-netlink`.

pub(crate) mod monitor;

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, send,
    socket,
};
use nix::sys::utsname::uname;
use xsk_netlink::{Ask, Message, Request, Route, read_answer};

use crate::sys::sockets;

/// The kernel sends dumps in datagrams of at most 32 KiB (net/netlink/af_netlink.c,
/// `netlink_dump`).
const DATAGRAM: usize = 32768;

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
    fn open(protocol: SockProtocol, groups: u32, flags: SockFlag) -> io::Result<Self> {
        let flags = flags | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { socket, sequence: Cell::new(0) })
    }

    fn generic() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkGeneric, 0, SockFlag::empty())
    }

    /// Receives one datagram of news; `None` where there is none, or where it is not from the
    /// kernel. One that fills the buffer was cut, and is as good as lost.
    fn news<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), buffer) {
            Ok((len, Some(from))) if from.pid() == 0 && len == buffer.len() => {
                Err(io::Error::from_raw_os_error(libc::ENOBUFS))
            }
            Ok((len, Some(from))) if from.pid() == 0 => Ok(Some(&buffer[..len])),
            Ok(_) | Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Ask for Socket {
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        let sequence = self.sequence.get();
        send(self.socket.as_raw_fd(), &request.into_bytes(sequence), MsgFlags::empty())?;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let (len, from) = recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut buffer)?;
            if from.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            if let Some(end) = read_answer(&buffer[..len], sequence, each).break_value() {
                return end;
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Opens a socket for questions about interfaces, whose dumps the kernel filters.
pub(crate) fn route() -> io::Result<Netlink> {
    let socket = Socket::open(SockProtocol::NetlinkRoute, 0, SockFlag::empty())?;
    sockets::set_strict_netlink(socket.as_fd())?;
    Ok(Route(socket))
}

/// Finds the family `netdev`; `None` where the kernel has none (before 6.3).
pub(crate) fn netdev() -> io::Result<Option<Netdev>> {
    Netdev::find(Socket::generic()?, kernel_version().unwrap_or_default())
}

/// Finds the family `ethtool`; `None` where the kernel was built without it.
pub(crate) fn ethtool() -> io::Result<Option<Ethtool>> {
    Ethtool::find(Socket::generic()?)
}

/// Major and minor number.
fn kernel_version() -> Option<(u32, u32)> {
    let name = uname().ok()?;
    let mut numbers = name.release().to_str()?.split(['.', '-']).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
