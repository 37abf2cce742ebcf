// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the card does to frames before XDP sees them.
#![forbid(unsafe_code)]

use super::finding::Finding;
use crate::nic::Nic;

pub(super) fn findings(nic: &Nic, skb: bool) -> Vec<Finding> {
    let joined = [("lro", "rx-lro", "lro"), ("gro-hw", "rx-gro-hw", "rx-gro-hw")];
    let joined = joined.map(|(check, feature, option)| joining(nic, check, feature, option));
    joined.into_iter().chain([vlan(nic), gro(nic, skb)]).flatten().collect()
}

/// With a program in skb mode the kernel has turned these off (`generic_xdp_install`,
/// net/core/dev.c); virtio-net does so in native mode, or refuses that: see there.
fn joining(nic: &Nic, check: &'static str, feature: &str, option: &str) -> Option<Finding> {
    let message = format!(
        "{feature} is on: the card joins frames, and a driver may refuse native XDP for it"
    );
    let mend = format!("sudo ethtool -K {} {option} off", nic.name());
    let bad = nic.has(feature) && nic.driver != "virtio_net";
    bad.then(|| Finding::note(check, message, mend))
}

/// A veth takes no tag out; its other end leaves it beside the frame.
fn vlan(nic: &Nic) -> Option<Finding> {
    let message = "rx-vlan-offload is on: the card removes the tag from the frame, and a guest does not see it";
    let mend = format!("sudo ethtool -K {} rxvlan off", nic.name());
    let bad = nic.has("rx-vlan-hw-parse") && !nic.is_veth();
    bad.then(|| Finding::note("vlan", message, mend))
}

/// In skb mode the program runs after GRO (`netif_receive_generic_xdp`, net/core/dev.c). On a veth
/// the frames come from its other end as they are.
fn gro(nic: &Nic, skb: bool) -> Option<Finding> {
    let above = matches!(nic.link.kind.as_str(), "macvlan" | "macvtap" | "vlan" | "ipvlan");
    let card = if above { nic.other.as_ref()?.name.clone() } else { nic.name().to_owned() };
    let features = if above { nic.other_features.as_ref()? } else { &nic.features };
    let on = features.contains("rx-gro");
    let message = format!(
        "skb mode, and GRO is on for {card}: joined frames do not fit a buffer and are dropped"
    );
    let silent = matches!(nic.link.kind.as_str(), "veth" | "bridge" | "tun");
    (skb && on && !silent)
        .then(|| Finding::note("gro", message, format!("sudo ethtool -K {card} gro off")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(driver: &str, features: &[&str], skb: bool) -> Vec<&'static str> {
        let features = features.iter().map(|feature| (*feature).to_owned()).collect();
        let nic = Nic { driver: driver.into(), features, ..Nic::default() };
        findings(&nic, skb).iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn what_is_off_is_not_spoken_of() {
        assert_eq!(checks("igb", &["rx-checksum", "rx-gro"], false), [""; 0]);
    }

    #[test]
    fn each_offload_has_its_line() {
        let on = ["rx-lro", "rx-gro-hw", "rx-vlan-hw-parse", "rx-gro"];
        assert_eq!(checks("ixgbe", &on, false), ["lro", "gro-hw", "vlan"]);
        assert_eq!(checks("ixgbe", &on[2..], true), ["vlan", "gro"]);
        assert_eq!(checks("virtio_net", &on[..2], false), [""; 0]);
    }
}
