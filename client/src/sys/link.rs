// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface as rtnetlink tells it: whatever network namespace this process is in, and without a privilege
//! (sysfs shows the namespace in which it was mounted).

use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use std::os::fd::AsFd;

use super::packet::ready;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFF_UP: u32 = 1;
/// `struct nlmsghdr` and `struct ifinfomsg`, each of 16 bytes.
const HEADERS: usize = 32;

/// What the kernel says of an interface.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    /// `veth`, `macvlan`, `bond`, ...; empty for a piece of hardware.
    pub(crate) kind: String,
    /// The id of the XDP program on it, or 0.
    pub(crate) program: u32,
}

/// Asks for the interface called `name`.
pub(crate) fn by_name(name: &str) -> Result<Link, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // NETLINK_ROUTE is protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    sendto(&socket, &request(name), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = vec![0; 65536];
    ready(socket.as_fd(), PollFlags::IN, Instant::now() + Duration::from_secs(2))?;
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    read(answer.get(..length).unwrap_or_default())
}

fn request(name: &str) -> Vec<u8> {
    let mut attribute = ((4 + name.len() + 1) as u16).to_ne_bytes().to_vec();
    attribute.extend(IFLA_IFNAME.to_ne_bytes());
    attribute.extend(name.as_bytes());
    attribute.push(0);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    let mut message = ((HEADERS + attribute.len()) as u32).to_ne_bytes().to_vec();
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.resize(HEADERS, 0);
    message.extend(attribute);
    message
}

fn read(answer: &[u8]) -> Result<Link, Errno> {
    match short(answer, 4) {
        Some(RTM_NEWLINK) => {}
        Some(NLMSG_ERROR) => {
            let code = word(answer, 16).map_or(0, |code| (code as i32).wrapping_neg());
            return Err(Errno::from_raw_os_error(code));
        }
        _ => return Err(Errno::BADMSG),
    }
    let mut link = Link {
        index: word(answer, 20).unwrap_or(0),
        up: word(answer, 24).unwrap_or(0) & IFF_UP != 0,
        ..Link::default()
    };
    for (kind, value) in attributes(answer.get(HEADERS..).unwrap_or_default()) {
        match kind {
            IFLA_MTU => link.mtu = word(value, 0).unwrap_or(0),
            IFLA_LINKINFO => link.kind = nested(value, IFLA_INFO_KIND).map(text).unwrap_or_default(),
            IFLA_XDP => {
                link.program = nested(value, IFLA_XDP_PROG_ID).and_then(|id| word(id, 0)).unwrap_or(0)
            }
            _ => {}
        }
    }
    Ok(link)
}

fn nested(value: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

/// `struct nlattr`: a length with these four bytes, a type whose two upper bits are flags, the value, and room
/// up to a multiple of four.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (short(bytes, 0)? as usize, short(bytes, 2)? & 0x3fff);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let link = by_name("lo").unwrap();
        assert_eq!((link.index, link.kind.as_str()), (1, ""));
    }

    #[test]
    fn a_missing_interface_is_an_error() {
        assert_eq!(by_name("nonesuch0").unwrap_err(), Errno::NODEV);
    }
}
