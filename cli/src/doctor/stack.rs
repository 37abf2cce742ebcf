// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host on the same interface: it does not see the frames of leased queues.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::finding::Finding;
use crate::nic::Nic;

pub(super) fn findings(nic: &Nic) -> Vec<Finding> {
    let (addresses, default) = (&nic.addresses, nic.default_route);
    if addresses.is_empty() && !default {
        return vec![Finding::ok("host", "it has no address and no default route by it")];
    }
    [address(nic, addresses), default.then(|| route(nic))].into_iter().flatten().collect()
}

fn address(nic: &Nic, addresses: &[IpAddr]) -> Option<Finding> {
    let names = addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("the host is {names} here, and nobody reaches it so by a leased queue");
    let mend = format!("sudo ip address flush dev {}", nic.name());
    (!addresses.is_empty()).then(|| Finding::note("host", message, mend))
}

fn route(nic: &Nic) -> Finding {
    let message =
        "the host's default route leaves by it: the host, and who came that way, may be cut off";
    let mend = format!(
        "take another interface; or, with another way out: sudo ip route del default dev {}",
        nic.name()
    );
    Finding::note("route", message, mend)
}
