// SPDX-License-Identifier: MIT OR Apache-2.0
//! What XDP the driver can do, as the kernel says or, if it does not, by a table of names.
#![forbid(unsafe_code)]

use xsk_netlink::{Features, Undelivered};

use super::finding::Finding;
use super::queues;
use crate::nic::Nic;

/// Drivers that redirect in native mode in Linux 6.1, before kernels could say so (`ndo_bpf` and
/// `xdp_do_redirect`).
const NATIVE: [&str; 20] = [
    "bnxt_en",
    "bonding",
    "ena",
    "fsl_dpaa2_eth",
    "fsl_enetc",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "mlx4_core",
    "mlx5_core",
    "mvneta",
    "qede",
    "sfc",
    "stmmac",
    "tun",
    "veth",
    "virtio_net",
];
/// Those of them that could bind in zero-copy mode then (`XDP_SETUP_XSK_POOL`).
const ZERO_COPYING: [&str; 6] = ["i40e", "ice", "igc", "ixgbe", "mlx5_core", "stmmac"];
/// Drivers that take a program and drop what it redirects (`ixgbevf_run_xdp`, `nicvf_xdp_rx`).
const DROPPING: [&str; 2] = ["ixgbevf", "nicvf"];

const SLOWER: &str = "nothing to do: skb mode is chosen automatically, and is slower";

/// What becomes of an XSK program in native mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The driver does not take it.
    None,
    /// It is attached, and sockets get nothing.
    Deaf,
    /// It works.
    Works { zero_copy: bool, frags: bool },
}

/// What is known of native XDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Native {
    way: Way,
    /// Whether the kernel itself said so.
    told: bool,
    /// Why the helper passes native mode over.
    undelivered: Option<Undelivered>,
}

pub(super) fn of(nic: &Nic) -> Native {
    let undelivered = nic.link.undelivered_natively(nic.xdp);
    let driver = nic.driver.as_str();
    let way = match nic.xdp {
        Some(told) if !told.has(Features::BASIC) => Way::None,
        Some(told) if told.drops_redirected() => Way::Deaf,
        Some(told) => {
            let (zero_copy, frags) = (told.has(Features::ZERO_COPY), told.has(Features::FRAGS));
            Way::Works { zero_copy, frags }
        }
        None if DROPPING.contains(&driver) => Way::Deaf,
        None if !NATIVE.contains(&driver) || outsent(nic) => Way::None,
        None => Way::Works { zero_copy: ZERO_COPYING.contains(&driver), frags: false },
    };
    Native { way, told: nic.xdp.is_some(), undelivered }
}

/// A veth takes no program then (`veth_xdp_set`).
fn outsent(nic: &Nic) -> bool {
    nic.peer_sends().zip(nic.receives()).is_some_and(|(sends, receives)| sends > receives)
}

/// Returns whether the helper would attach in native mode.
pub(crate) fn attaches_natively(nic: &Nic) -> bool {
    of(nic).attaches()
}

impl Native {
    /// Whether the helper would attach in native mode, where it has the choice.
    pub(super) fn attaches(self) -> bool {
        self.way != Way::None && self.undelivered.is_none()
    }

    pub(super) fn finding(self, nic: &Nic) -> Finding {
        let source =
            if self.told { "" } else { ", by a table of drivers, since this kernel does not say" };
        match self.way {
            _ if self.undelivered == Some(Undelivered::Bond) => {
                let message =
                    "skb mode: a bond takes native XDP and delivers nothing to sockets then";
                Finding::note("native", message, "for speed, use an interface that is not a bond")
            }
            Way::None => lacks(nic, source),
            Way::Deaf if self.undelivered.is_some() => {
                let message =
                    format!("skb mode: {} drops what a native program redirects", nic.driver);
                Finding::note("native", message, SLOWER)
            }
            Way::Deaf => {
                let message = format!(
                    "{} takes native XDP and drops what is redirected, so sockets get nothing{source}",
                    nic.driver
                );
                Finding::note("native", message, "mode=skb in the netdev")
            }
            Way::Works { zero_copy, frags } => {
                let more =
                    |what: bool, word: &str| if what { format!(", {word}") } else { String::new() };
                let more = more(zero_copy, "zero-copy") + &more(frags, "frags");
                Finding::ok("native", format!("native XDP{more}{source}"))
            }
        }
    }
}

fn lacks(nic: &Nic, source: &str) -> Finding {
    let name = nic.name();
    if nic.is_veth() {
        let receives = nic.receives().unwrap_or(1);
        let message = format!(
            "no native XDP: the other end sends by more queues than the {receives} by which {name} receives"
        );
        let set = |peer: &str| queues::of_veth(peer, &format!("tx {receives}"));
        let mend = match &nic.other {
            Some(peer) => set(&peer.name),
            None => format!("in the other end's network namespace: {}", set("PEER")),
        };
        return Finding::note("native", message, mend);
    }
    let mend = match &nic.other {
        Some(below) => format!("xsk-client doctor {}", below.name),
        None => SLOWER.into(),
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
        assert_eq!(
            said(&nic),
            "native XDP, zero-copy, by a table of drivers, since this kernel does not say"
        );
        nic.xdp = Some(Features(0x23));
        assert_eq!(said(&nic), "native XDP, frags");
        nic.xdp = Some(Features(0));
        assert_eq!(said(&nic), "no native XDP, skb mode only");
    }

    #[test]
    fn a_driver_that_redirects_nothing_is_deaf() {
        let mut nic = Nic { driver: "ixgbevf".into(), ..Nic::default() };
        assert!(of(&nic).attaches(), "a driver of which nothing is told is tried");
        assert!(said(&nic).contains("so sockets get nothing, by a table"), "{}", said(&nic));
        nic.xdp = Some(Features::BASIC);
        assert!(!of(&nic).attaches(), "the helper passes native mode over where the kernel tells");
        assert_eq!(said(&nic), "skb mode: ixgbevf drops what a native program redirects");
        nic.driver = "unheard-of".into();
        nic.xdp = None;
        assert!(!of(&nic).attaches());
    }

    #[test]
    fn a_bond_is_skb_whatever_it_says() {
        let mut nic = Nic { xdp: Some(Features(0x3)), ..Nic::default() };
        assert!(of(&nic).attaches());
        nic.link.kind = "bond".into();
        assert!(!of(&nic).attaches() && said(&nic).starts_with("skb mode: a bond"));
    }
}
