// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which frames an interface lets in: its own address, those that were added to its filter, and
//! groups (include/uapi/linux/neighbour.h).

use std::io;

use crate::Ask;
use crate::bytes::u32_at;
use crate::link::Link;
use crate::message::{Message, Request};
use crate::route::Route;

/// `struct ndmsg`: family, index at 4, state, flags at 10, type.
const NDMSG: usize = 12;
const INDEX: usize = 4;
const FLAGS: usize = 10;
const NDA_LLADDR: u16 = 2;
/// An entry of the device's own filter, not of a bridge's table.
const NTF_SELF: u8 = 2;

/// Kinds of virtual device that take every frame which reaches them, or whose frames are those of
/// other devices.
const OPEN: [&str; 10] =
    ["veth", "tun", "bridge", "bond", "team", "dummy", "vxlan", "geneve", "gretap", "ip6gretap"];

impl Link {
    /// Returns whether it drops frames for other addresses than its own, and for groups that nobody
    /// here has joined. A card that tells nothing is taken for one that does.
    pub fn filters(&self) -> bool {
        !OPEN.contains(&self.kind.as_str()) && !self.passthru && self.promiscuity == 0
    }

    /// Returns whether only frames for its own address reach it, promiscuous or not: the driver
    /// tells frames apart by that address (`macvlan_handle_frame`, drivers/net/macvlan.c).
    pub fn takes_own_address_alone(&self) -> bool {
        matches!(self.kind.as_str(), "macvlan" | "macvtap" | "ipvlan") && !self.passthru
    }
}

impl<S: Ask> Route<S> {
    /// Returns the addresses that were added to the filter of an interface. The kernel shows them
    /// to everybody, as `bridge fdb` does (net/core/rtnetlink.c, `ndo_dflt_fdb_dump`).
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn filter(&self, ifindex: u32) -> io::Result<Vec<[u8; 6]>> {
        let mut fixed = [0; NDMSG];
        fixed[0] = libc::AF_BRIDGE as u8;
        fixed[INDEX..INDEX + 4].copy_from_slice(&ifindex.to_ne_bytes());
        let mut found = Vec::new();
        self.0.ask(Request::dump(libc::RTM_GETNEIGH, &fixed), &mut |message| {
            found.extend(entry(&message, ifindex));
        })?;
        Ok(found)
    }

    /// Returns the interface of this namespace that has the address.
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn owner(&self, mac: [u8; 6]) -> io::Result<Option<Link>> {
        Ok(self.links()?.into_iter().find(|link| link.mac == mac))
    }
}

fn entry(message: &Message<'_>, ifindex: u32) -> Option<[u8; 6]> {
    let own = message.body.get(FLAGS).is_some_and(|flags| flags & NTF_SELF != 0);
    let here = u32_at(message.body, INDEX) == Some(ifindex);
    let wanted = message.kind == libc::RTM_NEWNEIGH && own && here;
    message.find(NDMSG, NDA_LLADDR).filter(|_| wanted)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_and_a_macvlan_filter_until_they_are_promiscuous() {
        let link =
            |kind: &str, promiscuity| Link { kind: kind.into(), promiscuity, ..Link::default() };
        assert!(link("", 0).filters() && link("macvlan", 0).filters());
        assert!(!link("", 1).filters() && !link("veth", 0).filters());
    }

    #[test]
    fn a_macvlan_takes_its_own_address_alone_unless_it_is_the_only_one() {
        let link = |kind: &str, passthru| Link { kind: kind.into(), passthru, ..Link::default() };
        assert!(link("macvlan", false).takes_own_address_alone());
        assert!(
            !link("macvlan", true).takes_own_address_alone() && !link("macvtap", true).filters()
        );
        assert!(!link("", false).takes_own_address_alone());
    }
}
