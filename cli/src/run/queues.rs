// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether frames may arrive on queues that the command does not hold. They do not reach it, and
//! nothing reports that.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::leased::Leased;
use crate::nic::Nic;

/// What to say of each interface of which not every queue that may receive is held.
pub(super) fn missed(held: &[Leased]) -> Vec<String> {
    let mut queues: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for held in held {
        let granted = &held.lease.granted;
        let own = granted.first_queue..granted.first_queue.saturating_add(granted.queues);
        queues.entry(&granted.ifname).or_default().extend(own);
    }
    let of = |(ifname, held): (&str, BTreeSet<u32>)| sentence(&Nic::find(ifname).ok()??, &held);
    queues.into_iter().filter_map(of).collect()
}

/// This depends on whether a card spreads flows, and over which queues. A table with only held
/// queues is fine.
fn sentence(nic: &Nic, held: &BTreeSet<u32>) -> Option<String> {
    let count = nic.receives().unwrap_or(nic.link.rx_queues);
    let reached = nic.spread.clone().unwrap_or_else(|| (0..count).collect());
    if reached.is_subset(held) {
        return None;
    }
    let (name, first, own) = (nic.name(), held.first()?, held.len());
    let steer = if nic.spread.is_some() {
        let start = if *first == 0 { String::new() } else { format!(" start {first}") };
        format!("; or steer them all to yours: sudo ethtool -X {name}{start} equal {own}")
    } else {
        String::new()
    };
    Some(format!(
        "{name} has {count} queues and you hold {own}: frames on the others do not reach the command; take them \
         all with queues=all{steer}"
    ))
}

#[cfg(test)]
mod tests {
    use xsk_netlink::Channels;

    use super::*;

    fn said(spread: Option<&[u32]>, held: &[u32]) -> Option<String> {
        let mut nic = Nic {
            channels: Some(Channels { combined: 4, ..Channels::default() }),
            spread: spread.map(|queues| queues.iter().copied().collect()),
            ..Nic::default()
        };
        nic.link.name = "eth9".into();
        sentence(&nic, &held.iter().copied().collect())
    }

    #[test]
    fn each_queue_that_may_receive_counts() {
        assert_eq!(said(None, &[0, 1, 2, 3]), None);
        assert_eq!(said(Some(&[2]), &[2]), None);
        let alone = said(None, &[1]).unwrap();
        assert!(alone.starts_with("eth9 has 4 queues and you hold 1: "), "{alone}");
        assert!(alone.ends_with("queues=all"), "{alone}");
        let spread = said(Some(&[0, 1, 2, 3]), &[2, 3]).unwrap();
        assert!(spread.ends_with("sudo ethtool -X eth9 start 2 equal 2"), "{spread}");
    }
}
