// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host's own network stack has on an interface: frames of a leased queue do not reach it.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;

use super::netlink::{To, attributes, dump, nested, word};

const RTM_GETADDR: u16 = 22;
/// `struct ifaddrmsg`: family, prefix length, flags, scope at 3, index at 4.
const IFADDRMSG: usize = 8;
const RT_SCOPE_LINK: u8 = 253;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

const RTM_GETROUTE: u16 = 26;
/// `struct rtmsg`: family at 0, length of the destination at 1, table at 4, type at 7.
const RTMSG: usize = 12;
const RTN_UNICAST: u8 = 1;
const RT_TABLE_MAIN: u8 = 254;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// The addresses of an interface, link-local ones aside.
pub(crate) fn addresses(index: u32) -> Result<Vec<String>, Errno> {
    let mut found = Vec::new();
    dump(To::Route, RTM_GETADDR, &[0; IFADDRMSG], |_, body| {
        let counts = body.get(3).is_some_and(|scope| *scope < RT_SCOPE_LINK);
        if counts && word(body, 4) == Some(index) {
            // On a point-to-point link the other address is the peer's.
            let value = [IFA_LOCAL, IFA_ADDRESS]
                .iter()
                .find_map(|wanted| attributes(body, IFADDRMSG).find(|(kind, _)| kind == wanted));
            found.extend(value.and_then(|(_, value)| shown(value)));
        }
    })?;
    Ok(found)
}

fn shown(value: &[u8]) -> Option<String> {
    let four = || Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).to_string());
    let six = || Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).to_string());
    four().or_else(six)
}

/// Whether a default route of the main table leaves by the interface, alone or among others.
pub(crate) fn default_route(index: u32) -> Result<bool, Errno> {
    let mut found = false;
    for family in [AF_INET, AF_INET6] {
        let mut payload = [0; RTMSG];
        payload[0] = family;
        dump(To::Route, RTM_GETROUTE, &payload, |_, body| {
            let is = |at: usize, value: u8| body.get(at) == Some(&value);
            if is(1, 0) && is(4, RT_TABLE_MAIN) && is(7, RTN_UNICAST) {
                found |= attributes(body, RTMSG).any(|(kind, value)| leaves(kind, value, index));
            }
        })?;
    }
    Ok(found)
}

/// `struct rtnexthop`: length, flags, hops, index at 4; then attributes.
fn leaves(kind: u16, value: &[u8], index: u32) -> bool {
    match kind {
        RTA_OIF => word(value, 0) == Some(index),
        RTA_MULTIPATH => {
            let mut hops = value;
            std::iter::from_fn(|| {
                let hop = word(hops, 4)?;
                let length = usize::from(super::netlink::short(hops, 0)?).max(8);
                hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
                Some(hop)
            })
            .any(|hop| hop == index)
        }
        _ => false,
    }
}

/// The virtual functions of a physical one: whether number `vf` is trusted, and whether it is checked for spoofing.
pub(crate) fn function(physical: u32, vf: u32) -> Result<Option<(bool, bool)>, Errno> {
    const RTM_GETLINK: u16 = 18;
    const IFINFOMSG: usize = 16;
    const IFLA_EXT_MASK: u16 = 29;
    const RTEXT_FILTER_VF: u32 = 1;
    const IFLA_VFINFO_LIST: u16 = 22;
    const IFLA_VF_INFO: u16 = 1;
    const IFLA_VF_SPOOFCHK: u16 = 4;
    const IFLA_VF_TRUST: u16 = 9;
    let mut payload = vec![0; IFINFOMSG];
    payload.splice(4..8, physical.to_ne_bytes());
    payload.extend(super::netlink::attribute(IFLA_EXT_MASK, &RTEXT_FILTER_VF.to_ne_bytes()));
    let mut found = None;
    super::netlink::get(To::Route, RTM_GETLINK, &payload, |_, body| {
        let lists = attributes(body, IFINFOMSG).filter(|(kind, _)| *kind == IFLA_VFINFO_LIST);
        let infos = lists.flat_map(|(_, list)| attributes(list, 0)).filter(|(kind, _)| *kind == IFLA_VF_INFO);
        for (_, info) in infos {
            // Each of them is the number of the function and the setting.
            let setting = |wanted| nested(info, wanted).filter(|value| word(value, 0) == Some(vf));
            let on = |wanted| setting(wanted).and_then(|value| word(value, 4)).map(|value| value == 1);
            found = found.or(on(IFLA_VF_TRUST).zip(on(IFLA_VF_SPOOFCHK)));
        }
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_default_route_and_no_functions() {
        assert_eq!(default_route(1), Ok(false));
        assert_eq!(function(1, 0), Ok(None));
    }

    #[test]
    fn one_hop_of_several_counts() {
        let hop = |index: u32| [&[8, 0, 0, 0][..], &index.to_ne_bytes()].concat();
        let hops = [hop(3), hop(7)].concat();
        assert!(leaves(RTA_MULTIPATH, &hops, 7) && leaves(RTA_MULTIPATH, &hops, 3));
        assert!(!leaves(RTA_MULTIPATH, &hops, 4) && !leaves(RTA_MULTIPATH, &hops[..3], 3));
    }
}
