// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a person wants to know of a lease that ends: read before the end, which takes it away.
#![forbid(unsafe_code)]

use super::command_line;
use crate::leases::key::Key;
use crate::leases::record::Record;
use crate::leases::table::Holder;
use crate::{netlink, netns};

/// What was known of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) keeper: u32,
    /// The interface's name, or its number if it has none in this namespace.
    pub(crate) ifname: String,
    /// The process that asked for the lease, if its keeper wrote that down.
    pub(crate) client: Option<String>,
    /// The inodes of the sockets, in queue order.
    pub(crate) sockets: Vec<u64>,
}

impl About {
    /// Reads it, for each keeper once.
    pub(super) fn all(chosen: &[(Key, Holder)]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (key, holder) in chosen {
            if all.iter().all(|known| known.keeper != holder.pid) {
                all.push(Self::of(*key, *holder));
            }
        }
        all
    }

    fn of(key: Key, holder: Holder) -> Self {
        let record = Record::of_keeper(key, holder.pid);
        let client = record.as_ref().map(|record| command_line::of(record.client));
        let sockets = record.map(|record| record.sockets).unwrap_or_default();
        Self { keeper: holder.pid, ifname: name_of(key), client, sockets }
    }
}

fn name_of(key: Key) -> String {
    let link = || netlink::route().ok()?.link_by_index(key.ifindex).ok().flatten();
    let here = netns::own().is_ok_and(|own| own == key.netns);
    link().filter(|_| here).map_or_else(|| format!("interface {}", key.ifindex), |link| link.name)
}
