// SPDX-License-Identifier: MIT OR Apache-2.0
//! What XDP the driver can do: as the kernel tells it, or else by a table of names.
#![forbid(unsafe_code)]

use super::Finding;
use super::nic::Nic;
use crate::sys::genl::{BASIC, FRAGS, REDIRECT, ZERO_COPY};

/// Drivers with native XDP in Linux 6.1, before kernels told (their `ndo_bpf`).
const NATIVE: [&str; 22] = [
    "bnxt_en",
    "bonding",
    "dpaa2-eth",
    "ena",
    "fsl_enetc",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mlx4_en",
    "mlx5_core",
    "mvneta",
    "nfp",
    "qede",
    "sfc",
    "stmmac",
    "tun",
    "veth",
    "virtio_net",
];
/// Those of them that could bind in zero-copy mode then (`XDP_SETUP_XSK_POOL`).
const ZERO_COPYING: [&str; 8] = ["dpaa2-eth", "i40e", "ice", "igc", "ixgbe", "mlx5_core", "nfp", "stmmac"];

/// What is known of native XDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Native {
    can: bool,
    zero_copy: bool,
    frags: bool,
    /// Whether the kernel itself said so.
    told: bool,
    /// A bond takes a program, and sockets get nothing.
    bond: bool,
}

pub(super) fn of(nic: &Nic) -> Native {
    let bond = nic.link.kind == "bond";
    match nic.xdp {
        Some(bits) => Native {
            can: bits & (BASIC | REDIRECT) == BASIC | REDIRECT,
            zero_copy: bits & ZERO_COPY != 0,
            frags: bits & FRAGS != 0,
            told: true,
            bond,
        },
        None => Native {
            can: NATIVE.contains(&nic.driver.as_str()),
            zero_copy: ZERO_COPYING.contains(&nic.driver.as_str()),
            frags: false,
            told: false,
            bond,
        },
    }
}

impl Native {
    /// Whether the helper would attach in native mode, where it has the choice.
    pub(super) fn attaches(self) -> bool {
        self.can && !self.bond
    }

    pub(super) fn finding(self, nic: &Nic) -> Finding {
        if self.bond {
            let message = "skb mode: a bond takes native XDP and delivers nothing to sockets then";
            return Finding::note(
                "native",
                message,
                "take an interface that is no bond, if it has to be fast",
            );
        }
        let source = if self.told { "" } else { ", by a table of drivers: this kernel does not tell" };
        if !self.can {
            return lacks(nic, source);
        }
        let more = |what: bool, word: &str| if what { format!(", {word}") } else { String::new() };
        let more = more(self.zero_copy, "zero-copy") + &more(self.frags, "frags");
        Finding::ok("native", format!("native XDP{more}{source}"))
    }
}

fn lacks(nic: &Nic, source: &str) -> Finding {
    let name = nic.name();
    if nic.is_veth() {
        let receives = nic.receives().unwrap_or(1);
        let message = format!(
            "no native XDP: the other end sends by more queues than the {receives} by which {name} receives"
        );
        let on_the_peer = |peer: &str| format!("ethtool -L {peer} tx {receives}");
        let mend = match &nic.other {
            Some(peer) => format!("sudo {}", on_the_peer(&peer.name)),
            None => format!("in the other end's network namespace: {}", on_the_peer("PEER")),
        };
        return Finding::note("native", message, mend);
    }
    let mend = match &nic.other {
        Some(below) => format!("xsk-client doctor {}", below.name),
        None => "nothing to be done: mode=skb is taken by itself, and is slower".into(),
    };
    Finding::note("native", format!("no native XDP, skb mode only{source}"), mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(nic: &Nic) -> String {
        of(nic).finding(nic).message
    }

    #[test]
    fn the_kernel_is_believed_before_the_table() {
        let mut nic = Nic { driver: "ixgbe".into(), ..Nic::default() };
        assert_eq!(said(&nic), "native XDP, zero-copy, by a table of drivers: this kernel does not tell");
        nic.xdp = Some(BASIC | REDIRECT | FRAGS);
        assert_eq!(said(&nic), "native XDP, frags");
        nic.xdp = Some(0);
        assert_eq!(said(&nic), "no native XDP, skb mode only");
    }

    #[test]
    fn a_bond_is_skb_whatever_it_says() {
        let mut nic = Nic { xdp: Some(BASIC | REDIRECT), ..Nic::default() };
        assert!(of(&nic).attaches());
        nic.link.kind = "bond".into();
        assert!(!of(&nic).attaches() && said(&nic).starts_with("skb mode: a bond"));
    }
}
