// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host itself does with an interface: a user who gets its queues gets the host's frames too.

use std::io;
use std::path::Path;

use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, address::AddressMessage};

use super::{Ask, Rtnetlink};

impl Rtnetlink {
    /// Whether the host has addresses on the interface, link-local ones aside.
    pub(crate) fn has_addresses(&self, ifindex: u32) -> io::Result<bool> {
        /// RT_SCOPE_LINK (include/uapi/linux/rtnetlink.h).
        const LINK: u8 = 253;
        let mut request = AddressMessage::default();
        request.header.index = ifindex;
        let answers = self.ask(RouteNetlinkMessage::GetAddress(request), Ask::Dump)?;
        Ok(answers.iter().any(|answer| match answer {
            RouteNetlinkMessage::NewAddress(address) => u8::from(address.header.scope) < LINK,
            _ => false,
        }))
    }

    /// Whether a default route of the main table leaves by the interface.
    pub(crate) fn has_default_route(&self, ifindex: u32) -> io::Result<bool> {
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            request.header.table = RouteHeader::RT_TABLE_MAIN;
            request.attributes.push(RouteAttribute::Oif(ifindex));
            let answers = self.ask(RouteNetlinkMessage::GetRoute(request), Ask::Dump)?;
            if answers.iter().any(|answer| is_default(answer, ifindex)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Checked here too: before 4.20 the kernel does not filter dumps.
fn is_default(answer: &RouteNetlinkMessage, ifindex: u32) -> bool {
    let RouteNetlinkMessage::NewRoute(route) = answer else { return false };
    route.header.destination_prefix_length == 0 && route.attributes.contains(&RouteAttribute::Oif(ifindex))
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
