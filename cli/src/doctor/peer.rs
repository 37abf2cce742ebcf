// SPDX-License-Identifier: MIT OR Apache-2.0
//! The other end of a veth. It leaves work to the receiver that a real card would have done, and
//! AF_XDP does not do it.
#![forbid(unsafe_code)]

use xsk_netlink::Link;

use super::finding::{Finding, State};
use crate::nic::Nic;

/// The check of what a consumer that completes checksums need not care for.
pub(crate) const CHECKSUMS: &str = "checksums";
const FILLED_IN_LATER: &str = "tx-checksum-ip-generic";
const SEGMENTS: [&str; 3] = ["tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-udp-segmentation"];
const TAGGED: &str = "vlan";
const TAGS: &str = "tx-vlan-hw-insert";

pub(super) fn findings(nic: &Nic, skb: bool) -> Vec<Finding> {
    if !nic.is_veth() {
        return Vec::new();
    }
    let (Some(Link { name: peer, .. }), Some(features)) = (&nic.other, &nic.other_features) else {
        return unseen(skb);
    };
    let on = |feature: &str| features.contains(feature);
    let mut findings = vec![if on(FILLED_IN_LATER) {
        let message = format!(
            "{peer}, the other end, sends frames without their checksums, and a guest drops them"
        );
        Finding::note(CHECKSUMS, message, format!("sudo ethtool -K {peer} tx off"))
    } else {
        Finding::ok(CHECKSUMS, format!("{peer}, the other end, fills them in"))
    }];
    if skb && SEGMENTS.into_iter().any(on) {
        let message =
            format!("{peer}, the other end, sends segments unsplit, and skb mode drops those");
        let mend = format!("sudo ethtool -K {peer} tso off gso off tx-udp-segmentation off");
        findings.push(Finding::note("segments", message, mend));
    }
    if on(TAGS) {
        let message = format!(
            "{peer}, the other end, leaves VLAN tags beside the frame, where they are lost"
        );
        findings.push(Finding::note(TAGGED, message, format!("sudo ethtool -K {peer} txvlan off")));
    }
    findings
}

/// What stands in the way, for a start that goes on all the same. The tags are the grant's to warn
/// of.
pub(crate) fn of_peer(nic: &Nic, skb: bool) -> Vec<Finding> {
    let notes = findings(nic, skb).into_iter().filter(|finding| finding.state == State::Note);
    notes.filter(|finding| finding.check != TAGGED).collect()
}

/// Each is checked separately, as if it were visible.
fn unseen(skb: bool) -> Vec<Finding> {
    let elsewhere = "the other end is in another network namespace: whether it";
    let mend =
        |options: &str| format!("in the other end's network namespace: ethtool -K PEER {options}");
    let note = |check, does: &str, options: &str| {
        Finding::note(check, format!("{elsewhere} {does} cannot be seen from here"), mend(options))
    };
    let checksums = note(CHECKSUMS, "fills in checksums", "tx off");
    let segments =
        skb.then(|| note("segments", "splits segments, as skb mode needs it,", "tso off gso off"));
    [checksums].into_iter().chain(segments).collect()
}
