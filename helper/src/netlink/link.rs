// SPDX-License-Identifier: MIT OR Apache-2.0
//! One interface: what it is called, how large it is, and what XDP program is on it
//! (include/uapi/linux/if_link.h, rtnetlink.h).

use std::io;

use xsk_proto::Mode;

use super::Netlink;
use super::wire::{self, Message, Request};

const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
/// `struct ifinfomsg`: family, type, index at 4, flags at 8, change.
const IFINFOMSG: usize = 16;
const IFF_UP: u32 = 1;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_XDP: u16 = 43;
const IFLA_NEW_NETNSID: u16 = 45;
const IFLA_NEW_IFINDEX: u16 = 49;

const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const XDP_ATTACHED_DRV: u8 = 1;
const XDP_ATTACHED_SKB: u8 = 2;

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
    /// What kind of virtual device it is; empty for hardware.
    pub(crate) kind: String,
    pub(crate) xdp: Vec<Attached>,
}

/// An XDP program on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attached {
    pub(crate) prog_id: u32,
    /// `None` for a program in the hardware.
    pub(crate) mode: Option<Mode>,
}

/// The family of links as such (net/core/rtnetlink.c, `rtnl_fill_ifinfo`).
const AF_UNSPEC: u8 = libc::AF_UNSPEC as u8;

impl Netlink {
    /// The interface of this name; the kernel finds it by an altname too, so the answer's name may be another.
    /// `None` where there is none.
    pub(crate) fn link_by_name(&self, name: &str) -> io::Result<Option<Link>> {
        self.link(Request::new(RTM_GETLINK, 0, &[0; IFINFOMSG]).with_text(IFLA_IFNAME, name))
    }

    /// The interface of this index. `None` where there is none.
    pub(crate) fn link_by_index(&self, ifindex: u32) -> io::Result<Option<Link>> {
        let mut fixed = [0; IFINFOMSG];
        fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        self.link(Request::new(RTM_GETLINK, 0, &fixed))
    }

    fn link(&self, request: Request) -> io::Result<Option<Link>> {
        let mut found = None;
        let answer = |message: Message<'_>| found = found.take().or_else(|| describe(&message));
        match self.ask(request.with_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS), answer) {
            Ok(()) => Ok(found),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the message says that the interface left for another namespace, as far as the kernel knows
/// (net/core/dev.c, `__dev_change_net_namespace`).
pub(super) fn moved(message: &Message<'_>) -> bool {
    message.attributes(IFINFOMSG).any(|(kind, _)| matches!(kind, IFLA_NEW_NETNSID | IFLA_NEW_IFINDEX))
}

/// Reads a link message, an answer or an event. One that does not even say that there is no program is about something
/// else, such as a scan (net/wireless/wext-core.c).
pub(super) fn describe(message: &Message<'_>) -> Option<Link> {
    // A bridge tells of its ports as links of its own family, and of one that leaves it as of a link that is gone.
    if !matches!(message.kind, RTM_NEWLINK | RTM_DELLINK) || message.body.first() != Some(&AF_UNSPEC) {
        return None;
    }
    let ifindex = wire::u32_at(message.body, 4)?;
    let up = wire::u32_at(message.body, 8)? & IFF_UP != 0;
    let mut link = Link { ifindex, up, ..Link::default() };
    let mut whole = message.kind == RTM_DELLINK;
    for (kind, value) in message.attributes(IFINFOMSG) {
        match kind {
            IFLA_IFNAME => link.name = wire::text(value),
            IFLA_ADDRESS => link.mac = value.try_into().unwrap_or_default(),
            IFLA_MTU => link.mtu = wire::u32_at(value, 0)?,
            IFLA_NUM_RX_QUEUES | IFLA_NUM_TX_QUEUES => {
                link.queues_allocated = link.queues_allocated.max(wire::u32_at(value, 0)?);
            }
            IFLA_MASTER => link.master = wire::u32_at(value, 0),
            IFLA_LINKINFO => link.kind = device_kind(value),
            IFLA_XDP => {
                link.xdp = programs(value);
                whole = true;
            }
            _ => {}
        }
    }
    whole.then_some(link)
}

fn device_kind(info: &[u8]) -> String {
    let mut attributes = wire::attributes(info);
    attributes.find(|(kind, _)| *kind == IFLA_INFO_KIND).map_or(String::new(), |(_, value)| wire::text(value))
}

/// A single program is told by its mode and id; several, each by an attribute of its own.
fn programs(xdp: &[u8]) -> Vec<Attached> {
    let attached = wire::attributes(xdp).find(|(kind, _)| *kind == IFLA_XDP_ATTACHED);
    let single = match attached.and_then(|(_, value)| value.first()) {
        Some(&XDP_ATTACHED_DRV) => Some(Mode::Native),
        Some(&XDP_ATTACHED_SKB) => Some(Mode::Skb),
        _ => None,
    };
    let mut programs: Vec<Attached> = Vec::new();
    for (kind, value) in wire::attributes(xdp) {
        let mode = match kind {
            IFLA_XDP_DRV_PROG_ID => Some(Mode::Native),
            IFLA_XDP_SKB_PROG_ID => Some(Mode::Skb),
            IFLA_XDP_HW_PROG_ID => None,
            IFLA_XDP_PROG_ID => single,
            _ => continue,
        };
        let Some(prog_id) = wire::u32_at(value, 0).filter(|id| *id != 0) else { continue };
        if !programs.iter().any(|program| program.prog_id == prog_id) {
            programs.push(Attached { prog_id, mode });
        }
    }
    programs
}
