// SPDX-License-Identifier: MIT OR Apache-2.0
//! VLAN tags that are removed before XDP sees a frame. The holder of a queue then receives the
//! frames of every VLAN untagged, including those of others on a trunk.

use xsk_netlink::Link;
use xsk_proto::{Warning, WarningKind};

use crate::kernel::Kernel;

/// A card removes the tag on receive; a veth's other end keeps it beside the frame on send.
const RECEIVING: &str = "rx-vlan-hw-parse";
const SENDING: &str = "tx-vlan-hw-insert";

/// Returns the warning if tags are known to be removed.
pub(super) fn warning(kernel: &Kernel, link: &Link) -> Option<Warning> {
    let ethtool = kernel.ethtool.as_ref()?;
    let has =
        |index, feature| ethtool.features(index).is_ok_and(|features| features.contains(feature));
    let text = if link.kind == "veth" {
        let peer = kernel.netlink.link_by_index(link.lower?).ok()??;
        has(peer.ifindex, SENDING)
            .then(|| sentence(&peer.name, "leaves them beside the frame", "txvlan"))
    } else {
        has(link.ifindex, RECEIVING).then(|| sentence(&link.name, "takes them off", "rxvlan"))
    };
    Some(Warning { kind: WarningKind::Tags, text: text? })
}

fn sentence(name: &str, does: &str, option: &str) -> String {
    format!(
        "VLAN tags are lost, since {name} {does}: frames of every VLAN come as untagged ones (as root: ethtool -K {name} \
         {option} off)"
    )
}
