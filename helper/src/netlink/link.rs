// SPDX-License-Identifier: MIT OR Apache-2.0
//! One interface: what it is called, how large it is, and what XDP program is on it.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage, LinkXdp, XdpAttached,
};
use xsk_proto::Mode;

use super::{Ask, Rtnetlink};

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Link {
    pub(crate) ifindex: u32,
    pub(crate) name: String,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    /// The receive or transmit queues that were allocated, whichever are more; in use may be fewer.
    pub(crate) queues_allocated: u32,
    /// The bridge, bond or team that it is a part of.
    pub(crate) master: Option<u32>,
    pub(crate) bond: bool,
    pub(crate) xdp: Vec<Attached>,
}

/// An XDP program on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) prog_id: u32,
    /// `None` for a program in the hardware.
    pub(crate) mode: Option<Mode>,
}

impl Rtnetlink {
    /// The interface of this name; the kernel finds it by an altname too, so the answer's name may be another.
    /// `None` where there is none.
    pub(crate) fn link_by_name(&self, name: &str) -> io::Result<Option<Link>> {
        self.link(LinkAttribute::IfName(name.to_owned()), 0)
    }

    /// The interface of this index. `None` where there is none.
    pub(crate) fn link_by_index(&self, ifindex: u32) -> io::Result<Option<Link>> {
        self.link(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]), ifindex)
    }

    fn link(&self, attribute: LinkAttribute, ifindex: u32) -> io::Result<Option<Link>> {
        let mut request = LinkMessage::default();
        request.header.index = ifindex;
        request.attributes.push(attribute);
        match self.ask(RouteNetlinkMessage::GetLink(request), Ask::One) {
            Ok(answers) => Ok(answers.into_iter().find_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(message) => Some(describe(message)),
                _ => None,
            })),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads a link message, an answer or an event.
pub(crate) fn describe(message: LinkMessage) -> Link {
    let mut link = Link {
        ifindex: message.header.index,
        up: message.header.flags.contains(LinkFlags::Up),
        ..Link::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(bytes) => link.mac = bytes.try_into().unwrap_or_default(),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::NumRxQueues(n) | LinkAttribute::NumTxQueues(n) => {
                link.queues_allocated = link.queues_allocated.max(n);
            }
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::LinkInfo(info) => link.bond = info.contains(&LinkInfo::Kind(InfoKind::Bond)),
            LinkAttribute::Xdp(xdp) => link.xdp = programs(&xdp),
            _ => {}
        }
    }
    link
}

/// One program is told by its mode and id; several, each by an attribute of its own.
fn programs(xdp: &[LinkXdp]) -> Vec<Attached> {
    let mut mode = None;
    for attribute in xdp {
        if let LinkXdp::Attached(attached) = attribute {
            mode = Some(*attached);
        }
    }
    let found = xdp.iter().filter_map(|attribute| match (attribute, mode) {
        (LinkXdp::DrvProgId(id), _) => Some((*id, Some(Mode::Native))),
        (LinkXdp::SkbProgId(id), _) => Some((*id, Some(Mode::Skb))),
        (LinkXdp::HwProgId(id), _) => Some((*id, None)),
        (LinkXdp::ProgId(id), Some(XdpAttached::Driver)) => Some((*id, Some(Mode::Native))),
        (LinkXdp::ProgId(id), Some(XdpAttached::SocketBuffer)) => Some((*id, Some(Mode::Skb))),
        (LinkXdp::ProgId(id), Some(XdpAttached::Hardware)) => Some((*id, None)),
        _ => None,
    });
    let mut programs: Vec<Attached> = Vec::new();
    for (prog_id, mode) in found.filter(|(id, _)| *id != 0) {
        if !programs.iter().any(|program| program.prog_id == prog_id) {
            programs.push(Attached { prog_id, mode });
        }
    }
    programs
}
