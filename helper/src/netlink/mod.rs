// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel says of an interface: rtnetlink for what it is, generic netlink for what its queues do.
//!
//! Written here rather than taken from the netlink crates: they parse everything that rtnetlink can say, which
//! was a quarter of this program's code, for the ten attributes that it reads.

pub(crate) mod link;
pub(crate) mod monitor;
pub(crate) mod queues;
pub(crate) mod surroundings;
mod wire;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, send, socket,
};

use crate::sys::sockets;
use wire::{Message, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR, Request};

/// The kernel sends dumps in datagrams of at most 32 KiB (net/netlink/af_netlink.c, `netlink_dump`).
const DATAGRAM: usize = 32768;

/// A netlink socket.
#[derive(Debug)]
pub(crate) struct Netlink(OwnedFd);

impl Netlink {
    fn open(protocol: SockProtocol, groups: u32, flags: SockFlag) -> io::Result<Self> {
        let flags = flags | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self(socket))
    }

    /// A socket for questions about interfaces, whose dumps the kernel filters.
    pub(crate) fn route() -> io::Result<Self> {
        let netlink = Self::open(SockProtocol::NetlinkRoute, 0, SockFlag::empty())?;
        sockets::set_strict_netlink(netlink.0.as_fd())?;
        Ok(netlink)
    }

    /// Asks one thing; `answer` sees each message of the answer.
    fn ask(&self, request: Request, mut answer: impl FnMut(Message<'_>)) -> io::Result<()> {
        let bytes = request.finish();
        let dump = wire::u16_at(&bytes, 6).is_some_and(|flags| flags & NLM_F_DUMP == NLM_F_DUMP);
        send(self.0.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let (len, from) = recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut buffer)?;
            if from.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            for message in wire::messages(&buffer[..len]) {
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return outcome(message),
                    _ => answer(message),
                }
            }
            if !dump {
                return Ok(());
            }
        }
    }

    /// Receives one datagram of news; `None` where there is none, or where it is not from the kernel. One that fills the
    /// buffer was cut, and is as good as lost.
    fn news<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), buffer) {
            Ok((len, Some(from))) if from.pid() == 0 && len == buffer.len() => {
                Err(io::Error::from_raw_os_error(libc::ENOBUFS))
            }
            Ok((len, Some(from))) if from.pid() == 0 => Ok(Some(&buffer[..len])),
            Ok(_) | Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// `struct nlmsgerr`: a negative errno, or 0.
fn outcome(message: Message<'_>) -> io::Result<()> {
    match wire::u32_at(message.body, 0).map(|errno| errno as i32) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
