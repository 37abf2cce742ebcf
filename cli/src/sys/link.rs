// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface as rtnetlink tells it (include/uapi/linux/if_link.h).

use rustix::io::Errno;

use super::netlink::{To, attribute, attributes, get, nested, text, word};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// `struct ifinfomsg`: family, type, index at 4, flags at 8, change.
const IFINFOMSG: usize = 16;
const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const XDP_ATTACHED_SKB: u8 = 2;

/// What the kernel says of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    /// The primary name.
    pub(crate) name: String,
    pub(crate) up: bool,
    /// Whether the other end of the cable is there.
    pub(crate) carrier: bool,
    pub(crate) mtu: u32,
    /// `veth`, `macvlan`, `bond`, ...; empty for a piece of hardware.
    pub(crate) kind: String,
    /// The bridge, bond or team that it is a port of.
    pub(crate) master: Option<u32>,
    /// The interface below it, or the other end of a veth; `None` also where that is in another namespace.
    pub(crate) other: Option<u32>,
    /// The queues that were allocated, to receive and to send; in use may be fewer.
    pub(crate) allocated: (u32, u32),
    /// The id of the XDP program on it, or 0.
    pub(crate) program: u32,
    /// Whether that program is attached in skb mode.
    pub(crate) skb: bool,
}

/// Asks for the interface called `name`, which may be an altname.
pub(crate) fn by_name(name: &str) -> Result<Link, Errno> {
    let mut payload = vec![0; IFINFOMSG];
    payload.extend(attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat()));
    one(&payload)
}

/// Asks for the interface with this index.
pub(crate) fn by_index(index: u32) -> Result<Link, Errno> {
    let mut payload = vec![0; IFINFOMSG];
    payload.splice(4..8, index.to_ne_bytes());
    one(&payload)
}

fn one(payload: &[u8]) -> Result<Link, Errno> {
    let mut found = None;
    get(To::Route, RTM_GETLINK, payload, |kind, body| {
        if kind == RTM_NEWLINK {
            found = Some(read(body));
        }
    })?;
    found.ok_or(Errno::BADMSG)
}

fn read(body: &[u8]) -> Link {
    let flags = word(body, 8).unwrap_or(0);
    let mut link = Link {
        index: word(body, 4).unwrap_or(0),
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
        ..Link::default()
    };
    let mut elsewhere = false;
    for (kind, value) in attributes(body, IFINFOMSG) {
        let number = word(value, 0);
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu = number.unwrap_or(0),
            IFLA_LINK => link.other = number.filter(|index| *index != 0),
            IFLA_MASTER => link.master = number,
            IFLA_NUM_RX_QUEUES => link.allocated.0 = number.unwrap_or(0),
            IFLA_NUM_TX_QUEUES => link.allocated.1 = number.unwrap_or(0),
            IFLA_LINK_NETNSID => elsewhere = true,
            IFLA_LINKINFO => link.kind = nested(value, IFLA_INFO_KIND).map(text).unwrap_or_default(),
            IFLA_XDP => {
                link.program = nested(value, IFLA_XDP_PROG_ID).and_then(|id| word(id, 0)).unwrap_or(0);
                link.skb = nested(value, IFLA_XDP_ATTACHED).is_some_and(|mode| *mode == [XDP_ATTACHED_SKB]);
            }
            _ => {}
        }
    }
    // The index is the other namespace's then, where it means another interface.
    link.other = link.other.filter(|_| !elsewhere);
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there_by_name_and_by_index() {
        let link = by_name("lo").unwrap();
        assert_eq!((link.index, link.name.as_str(), link.kind.as_str()), (1, "lo", ""));
        assert_eq!(by_index(1).unwrap(), link);
    }

    #[test]
    fn a_missing_interface_is_an_error() {
        assert_eq!(by_name("nonesuch0").unwrap_err(), Errno::NODEV);
        assert_eq!(by_index(0x7fff_0000).unwrap_err(), Errno::NODEV);
    }
}
