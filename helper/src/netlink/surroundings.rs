// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host itself does with an interface: a user who gets its queues gets the host's frames too.

use std::io;
use std::path::Path;

use super::Netlink;
use super::wire::{self, Message, NLM_F_DUMP, Request};

const RTM_GETADDR: u16 = 22;
/// `struct ifaddrmsg`: family, prefix length, flags, scope at 3, index at 4.
const IFADDRMSG: usize = 8;
const RT_SCOPE_LINK: u8 = 253;

const RTM_GETROUTE: u16 = 26;
/// `struct rtmsg`: family at 0, destination's prefix length at 1, table at 4.
const RTMSG: usize = 12;
const RT_TABLE_MAIN: u8 = 254;
const RTA_OIF: u16 = 4;

impl Netlink {
    /// Whether the host has addresses on the interface, link-local ones aside.
    pub(crate) fn has_addresses(&self, ifindex: u32) -> io::Result<bool> {
        let mut fixed = [0; IFADDRMSG];
        fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        let mut found = false;
        let mut answer = |message: Message<'_>| {
            let here = wire::u32_at(message.body, 4) == Some(ifindex);
            found |= here && message.body.get(3).is_some_and(|scope| *scope < RT_SCOPE_LINK);
        };
        self.ask(Request::new(RTM_GETADDR, NLM_F_DUMP, &fixed), &mut answer)?;
        Ok(found)
    }

    /// Whether a default route of the main table leaves by the interface.
    pub(crate) fn has_default_route(&self, ifindex: u32) -> io::Result<bool> {
        let mut found = false;
        // Of whatever family.
        let mut fixed = [0; RTMSG];
        fixed[4] = RT_TABLE_MAIN;
        let request = Request::new(RTM_GETROUTE, NLM_F_DUMP, &fixed).with_u32(RTA_OIF, ifindex);
        self.ask(request, |message| {
            let everything = message.body.get(1) == Some(&0);
            let leaves = |(kind, value)| kind == RTA_OIF && wire::u32_at(value, 0) == Some(ifindex);
            found |= everything && message.attributes(RTMSG).any(leaves);
        })?;
        Ok(found)
    }
}

/// Whether another device stands on the interface (a VLAN, a macvlan, a bridge …), as far as /sys shows this
/// network namespace.
pub(crate) fn has_upper(name: &str, ifindex: u32) -> bool {
    let folder = Path::new("/sys/class/net").join(name);
    if !std::fs::read_to_string(folder.join("ifindex")).is_ok_and(|text| text.trim() == ifindex.to_string()) {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("upper_"))
}

/// How many receive or transmit queues /sys shows, whichever are more, as far as it shows this namespace.
pub(crate) fn queues_in_sysfs(name: &str, ifindex: u32) -> Option<u32> {
    let folder = Path::new("/sys/class/net").join(name);
    let index = std::fs::read_to_string(folder.join("ifindex")).ok()?;
    if index.trim() != ifindex.to_string() {
        return None;
    }
    let names: Vec<_> =
        std::fs::read_dir(folder.join("queues")).ok()?.flatten().map(|e| e.file_name()).collect();
    let count = |prefix: &str| names.iter().filter(|name| name.to_string_lossy().starts_with(prefix)).count();
    u32::try_from(count("rx-").max(count("tx-"))).ok().filter(|count| *count > 0)
}
