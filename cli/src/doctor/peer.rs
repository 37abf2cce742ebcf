// SPDX-License-Identifier: MIT OR Apache-2.0
//! The other end of a veth: it leaves to the receiver what a cable would have had done, and AF_XDP
//! does not do it.
#![forbid(unsafe_code)]

use xsk_netlink::Link;

use super::finding::Finding;
use crate::nic::Nic;

const CHECKSUMS: &str = "tx-checksum-ip-generic";
const SEGMENTS: [&str; 3] = ["tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-udp-segmentation"];
const TAGS: &str = "tx-vlan-hw-insert";

pub(super) fn findings(nic: &Nic, skb: bool) -> Vec<Finding> {
    if !nic.is_veth() {
        return Vec::new();
    }
    let (Some(Link { name: peer, .. }), Some(features)) = (&nic.other, &nic.other_features) else {
        return vec![unseen(skb)];
    };
    let on = |feature: &str| features.contains(feature);
    let mut findings = vec![if on(CHECKSUMS) {
        let message = format!("{peer}, the other end, leaves checksums to be filled in, which a guest drops");
        Finding::note("checksums", message, format!("sudo ethtool -K {peer} tx off"))
    } else {
        Finding::ok("checksums", format!("{peer}, the other end, fills them in"))
    }];
    if skb && SEGMENTS.into_iter().any(on) {
        let message = format!("{peer}, the other end, sends segments unsplit, and skb mode drops those");
        let mend = format!("sudo ethtool -K {peer} tso off gso off tx-udp-segmentation off");
        findings.push(Finding::note("segments", message, mend));
    }
    if on(TAGS) {
        let message =
            format!("{peer}, the other end, leaves VLAN tags beside the frame, where they are lost");
        findings.push(Finding::note("vlan", message, format!("sudo ethtool -K {peer} txvlan off")));
    }
    findings
}

fn unseen(skb: bool) -> Finding {
    let segments = if skb { " tso off gso off" } else { "" };
    Finding::note(
        "checksums",
        "the other end is in another network namespace: whether it fills in checksums is not to be seen from here",
        format!("in the other end's network namespace: ethtool -K PEER tx off{segments}"),
    )
}
