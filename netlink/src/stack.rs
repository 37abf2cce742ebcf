// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host's own network stack has on an interface: addresses, and routes that leave by it.
//! Frames of a leased queue do not reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bytes::{number, split, u32_at};
use crate::message::{Message, Request};

/// `struct ifaddrmsg`: family, prefix length, flags, scope at 3, index at 4.
const IFADDRMSG: usize = size_of::<libc::ifaddrmsg>();
const SCOPE: usize = 3;
const INDEX: usize = 4;

/// `struct rtmsg` (include/uapi/linux/rtnetlink.h): family, length of the destination's prefix at
/// 1, table at 4, type at 7.
const RTMSG: usize = 12;
const PREFIX: usize = 1;
const TABLE: usize = 4;
const TYPE: usize = 7;
/// `struct rtnexthop`: length, flags, hops, index at 4.
const RTNEXTHOP: usize = 8;

impl Request {
    /// Asks for the addresses of an interface. A socket with strict checking gets no others.
    pub(crate) fn addresses(ifindex: u32) -> Self {
        let mut fixed = [0; IFADDRMSG];
        fixed[INDEX..INDEX + 4].copy_from_slice(&ifindex.to_ne_bytes());
        Self::dump(libc::RTM_GETADDR, &fixed)
    }

    /// Asks for the routes of the main table that leave by an interface, of every family. A socket
    /// with strict checking gets no others.
    pub(crate) fn routes(ifindex: u32) -> Self {
        let mut fixed = [0; RTMSG];
        fixed[TABLE] = libc::RT_TABLE_MAIN;
        Self::dump(libc::RTM_GETROUTE, &fixed).with_u32(libc::RTA_OIF, ifindex)
    }
}

/// Reads an address of the interface. Returns `None` for a link-local one.
pub(crate) fn address(message: &Message<'_>, ifindex: u32) -> Option<IpAddr> {
    let counts = message.body.get(SCOPE).is_some_and(|scope| *scope < libc::RT_SCOPE_LINK);
    if !counts || u32_at(message.body, INDEX) != Some(ifindex) {
        return None;
    }
    // On a point-to-point link the other address is the peer's.
    let own = message.find(IFADDRMSG, libc::IFA_LOCAL);
    own.or_else(|| message.find(IFADDRMSG, libc::IFA_ADDRESS)).and_then(shown)
}

fn shown(value: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(value).map(|bytes| Ipv4Addr::from(bytes).into());
    four.or_else(|_| <[u8; 16]>::try_from(value).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// Returns whether the message is a default route of the main table that leaves by the interface,
/// alone or among others.
pub(crate) fn is_default_route(message: &Message<'_>, ifindex: u32) -> bool {
    let is = |at: usize, value: u8| message.body.get(at) == Some(&value);
    let default = message.kind == libc::RTM_NEWROUTE
        && is(PREFIX, 0)
        && is(TABLE, libc::RT_TABLE_MAIN)
        && is(TYPE, libc::RTN_UNICAST);
    default && leaves_by(message, ifindex)
}

/// A route by a nexthop object may name the object alone (the sysctl net.ipv4.nexthop_compat_mode).
/// The kernel knows its interfaces, and has picked the route by them.
fn leaves_by(message: &Message<'_>, ifindex: u32) -> bool {
    let mut named = false;
    for (kind, value) in message.attributes(RTMSG) {
        match kind {
            libc::RTA_OIF if number(value) == Some(ifindex) => return true,
            libc::RTA_MULTIPATH if hops(value).any(|hop| hop == ifindex) => return true,
            libc::RTA_OIF | libc::RTA_MULTIPATH => named = true,
            _ => {}
        }
    }
    !named && message.is_filtered()
}

/// The interface of each next hop.
fn hops(mut value: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || u32_at(split(&mut value, RTNEXTHOP)?, INDEX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;

    #[test]
    fn each_hop_of_a_multipath_route_counts() {
        let hop = |index: u32| [&[8, 0, 0, 0][..], &index.to_ne_bytes()].concat();
        let both = [hop(3), hop(7)].concat();
        assert_eq!(hops(&both).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(hops(&both[..15]).collect::<Vec<_>>(), [3]);
        assert_eq!(hops(&[0; 16]).count(), 0);
    }

    const ETH1: u32 = 7;

    fn default_route() -> Request {
        let mut fixed = [0; RTMSG];
        (fixed[TABLE], fixed[TYPE]) = (libc::RT_TABLE_MAIN, libc::RTN_UNICAST);
        Request::get(libc::RTM_NEWROUTE, &fixed)
    }

    /// Returns whether the kernel's answer, with these flags, means that a default route leaves by
    /// eth1.
    fn leaves(route: Request, flags: i32) -> bool {
        let mut bytes = route.into_bytes(0);
        bytes[6..8].copy_from_slice(&(flags as u16).to_ne_bytes());
        is_default_route(&messages(&bytes).next().unwrap().unwrap(), ETH1)
    }

    #[test]
    fn a_default_route_leaves_by_one_interface_or_by_several() {
        assert!(leaves(default_route().with_u32(libc::RTA_OIF, ETH1), 0));
        assert!(!leaves(default_route().with_u32(libc::RTA_OIF, ETH1 + 1), 0));
        let hop = |index: u32| default_route().with_nested_u32(libc::RTA_MULTIPATH, 0, index);
        // A hop has the layout of an attribute: its length, two bytes, and here the index alone.
        assert!(leaves(hop(ETH1), 0) && !leaves(hop(ETH1 + 1), 0));
    }

    /// Only the kernel's filter tells the interfaces of a nexthop object that stands alone.
    #[test]
    fn a_default_route_by_a_nexthop_object_is_as_the_kernel_picked_it() {
        const NH_ID: u16 = 30;
        let route = || default_route().with_u32(NH_ID, 1);
        assert!(leaves(route(), libc::NLM_F_DUMP_FILTERED));
        assert!(!leaves(route(), 0));
        let elsewhere = route().with_u32(libc::RTA_OIF, ETH1 + 1);
        assert!(!leaves(elsewhere, libc::NLM_F_DUMP_FILTERED));
    }

    #[test]
    fn a_route_to_some_destinations_is_no_default_route() {
        for (at, value) in [(PREFIX, 8), (TABLE, 255), (TYPE, libc::RTN_BLACKHOLE)] {
            let mut bytes = default_route().with_u32(libc::RTA_OIF, ETH1).into_bytes(0);
            bytes[16 + at] = value;
            let message = messages(&bytes).next().unwrap().unwrap();
            assert!(!is_default_route(&message, ETH1), "{at}");
        }
    }

    fn address_of(scope: u8, ifindex: u32, parts: &[(u16, [u8; 4])]) -> Option<String> {
        let mut fixed = [0; IFADDRMSG];
        fixed[SCOPE] = scope;
        fixed[INDEX..].copy_from_slice(&ifindex.to_ne_bytes());
        let whole = parts.iter().fold(Request::get(libc::RTM_NEWADDR, &fixed), |request, part| {
            request.with_u32(part.0, u32::from_ne_bytes(part.1))
        });
        let bytes = whole.into_bytes(0);
        let message = messages(&bytes).next().unwrap().unwrap();
        address(&message, ETH1).map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_the_own_one_and_not_link_local() {
        let both = [(libc::IFA_ADDRESS, [10, 0, 0, 2]), (libc::IFA_LOCAL, [10, 0, 0, 1])];
        assert_eq!(address_of(0, ETH1, &both).as_deref(), Some("10.0.0.1"));
        assert_eq!(address_of(0, ETH1, &both[..1]).as_deref(), Some("10.0.0.2"));
        assert_eq!(address_of(libc::RT_SCOPE_LINK, ETH1, &both), None);
        assert_eq!(address_of(0, ETH1 + 1, &both), None);
    }

    #[test]
    fn addresses_are_of_both_families() {
        assert_eq!(shown(&[10, 0, 0, 1]).unwrap().to_string(), "10.0.0.1");
        let mut six = [0; 16];
        six[15] = 1;
        assert_eq!(shown(&six).unwrap().to_string(), "::1");
        assert_eq!(shown(&[1, 2, 3]), None);
    }
}
