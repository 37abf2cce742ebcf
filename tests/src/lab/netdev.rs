// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the generic netlink family `netdev` tells of a queue, asked without the helper's own code,
//! so that the two can be compared (Documentation/netlink/specs/netdev.yaml,
//! include/uapi/linux/genetlink.h).

use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};

const GENL_ID_CTRL: u16 = 16;
const GET_FAMILY: u8 = 3;
const QUEUE_GET: u8 = 10;

/// How much the family knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// There is no such family.
    Nothing,
    /// There is one, and it does not tell of this queue, or of no socket on it.
    Family,
    /// It tells that a socket is bound to the queue.
    Socket,
}

/// What it knows of a receive queue to which an AF_XDP socket is bound.
pub fn knows(ifindex: u32, queue: u32) -> Knows {
    let family = ask(GENL_ID_CTRL, GET_FAMILY, &attribute(2, b"netdev\0"));
    let Some(id) =
        family.and_then(|body| find(&body, 1)).and_then(|id| Some([*id.first()?, *id.get(1)?]))
    else {
        return Knows::Nothing;
    };
    let of = [(2, ifindex), (3, 0), (1, queue)]
        .map(|(kind, value)| attribute(kind, &value.to_ne_bytes()));
    let answer = ask(u16::from_ne_bytes(id), QUEUE_GET, &of.concat());
    if answer.and_then(|body| find(&body, 7)).is_some() { Knows::Socket } else { Knows::Family }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the first attribute of this kind.
fn find(mut attributes: &[u8], kind: u16) -> Option<Vec<u8>> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let found = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?) & 0x3fff;
        if found == kind {
            return Some(attributes.get(4..length)?.to_vec());
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// The attributes of the answer, if it is none of an error.
fn ask(family: u16, command: u8, attributes: &[u8]) -> Option<Vec<u8>> {
    let (domain, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkGeneric);
    let netlink = socket(domain, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0)).unwrap();
    let length = (20 + attributes.len()) as u32;
    let mut request = length.to_ne_bytes().to_vec();
    request.extend(family.to_ne_bytes());
    request.extend(1u16.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend(attributes);
    send(netlink.as_raw_fd(), &request, MsgFlags::empty()).unwrap();
    let mut answer = vec![0; 8192];
    let received = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
    let body = answer.get(20..received)?.to_vec();
    // NLMSG_ERROR
    (u16::from_ne_bytes([answer[4], answer[5]]) != 2).then_some(body)
}
