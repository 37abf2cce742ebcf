// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions to the kernel by netlink, none of which needs a privilege (include/uapi/linux/netlink.h). The answer
//! is about the network namespace that this process is in; sysfs shows the one in which it was mounted.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use super::packet::ready;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr`.
const HEADER: usize = 16;

/// How long the kernel may take; it is at once, unless it waits for a driver.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// rtnetlink: links, addresses, routes.
    Route,
    /// Generic netlink: families by name.
    Generic,
}

/// Asks about one thing. `each` gets the type of a message and what follows its header.
pub(crate) fn get(to: To, kind: u16, payload: &[u8], each: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
    ask(to, &message(kind, NLM_F_REQUEST | NLM_F_ACK, payload), each)
}

/// Asks for all things of a kind.
pub(crate) fn dump(to: To, kind: u16, payload: &[u8], each: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
    ask(to, &message(kind, NLM_F_REQUEST | NLM_F_DUMP, payload), each)
}

fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((HEADER + payload.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.resize(HEADER, 0);
    bytes.extend(payload);
    bytes
}

fn ask(to: To, request: &[u8], mut each: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // NETLINK_ROUTE is protocol 0.
    let protocol = if to == To::Generic { Some(GENERIC) } else { None };
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    sendto(&socket, request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = vec![0; 65536];
    loop {
        ready(socket.as_fd(), PollFlags::IN, deadline)?;
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if let Some(end) = read(buffer.get(..length).unwrap_or_default(), &mut each) {
            return end;
        }
    }
}

/// Reads the messages of a datagram; says how the answer ended, if it did.
fn read(mut datagram: &[u8], each: &mut impl FnMut(u16, &[u8])) -> Option<Result<(), Errno>> {
    while let Some(length) = word(datagram, 0).map(|length| length as usize) {
        let (Some(kind), Some(body)) = (short(datagram, 4), datagram.get(HEADER..length)) else {
            return Some(Err(Errno::BADMSG));
        };
        match kind {
            NLMSG_DONE => return Some(Ok(())),
            NLMSG_ERROR => {
                let code = word(body, 0).map_or(0, |code| (code as i32).wrapping_neg());
                return Some(if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(code)) });
            }
            _ => each(kind, body),
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

/// An attribute: a length with these four bytes, a type, the value, and room up to a multiple of four.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Type (without the two upper bits, which are flags) and value of each attribute after `fixed` bytes.
pub(crate) fn attributes(body: &[u8], fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut bytes = body.get(fixed..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, kind) = (short(bytes, 0)? as usize, short(bytes, 2)? & 0x3fff);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of an attribute that stands inside another one.
pub(crate) fn nested(value: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(value, 0).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// A string without its NUL.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

/// A number of two bytes.
pub(crate) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// A number of four bytes.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let whole = message(16, 0, &attribute(3, b"eth0\0"));
        let mut seen = Vec::new();
        assert_eq!(read(&whole, &mut |kind, body: &[u8]| seen.push((kind, body.len()))), None);
        assert_eq!(seen, [(16, 12)]);
        for length in 4..whole.len() {
            assert_eq!(read(&whole[..length], &mut |_, _| {}), Some(Err(Errno::BADMSG)), "{length}");
        }
        assert_eq!(attributes(&[3, 0, 1, 0], 0).count(), 0);
        assert_eq!(attributes(&[255, 255, 1, 0], 0).count(), 0);
    }
}
