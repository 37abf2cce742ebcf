// SPDX-License-Identifier: MIT OR Apache-2.0
//! VLAN tags that are taken off before XDP sees a frame. The holder of a queue then gets the frames of every VLAN as
//! untagged ones: those of others on a trunk, too.

use xsk_netlink::Link;
use xsk_proto::{Warning, WarningKind};

use crate::kernel::Kernel;

/// A card takes the tag off as it receives; a veth's other end leaves it beside the frame as it sends.
const RECEIVING: &str = "rx-vlan-hw-parse";
const SENDING: &str = "tx-vlan-hw-insert";

/// The warning, where it is to be seen that tags are taken off.
pub(super) fn warning(kernel: &Kernel, link: &Link) -> Option<Warning> {
    let ethtool = kernel.ethtool.as_ref()?;
    let has = |index, feature| ethtool.features(index).is_ok_and(|features| features.contains(feature));
    let text = if link.kind == "veth" {
        let peer = kernel.netlink.link_by_index(link.lower?).ok()??;
        has(peer.ifindex, SENDING).then(|| sentence(&peer.name, "leaves them beside the frame", "txvlan"))
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
