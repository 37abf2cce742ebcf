// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interface is good for as the source of AF_XDP sockets. The helper decides by this, and
//! `doctor` says beforehand what the helper will decide.

use crate::link::Link;
use crate::netdev::Features;

/// A frame of a UMEM, as QEMU has them.
const UMEM_FRAME: u32 = 4096;
/// XDP_PACKET_HEADROOM (include/uapi/linux/bpf.h), which the kernel keeps free in each.
const HEADROOM: u32 = 256;
const ETHERNET_HEADER: u32 = 14;

/// The largest frame that a consumer without XDP_USE_SG receives.
pub const SINGLE_BUFFER: u32 = UMEM_FRAME - HEADROOM;
/// The largest MTU with which every frame fits into a single buffer.
pub const SINGLE_BUFFER_MTU: u32 = SINGLE_BUFFER - ETHERNET_HEADER;

/// The largest MTU of a veth's other end with which that takes a program for single buffers
/// (drivers/net/veth.c, `veth_xdp_set`): a page less headroom, `skb_shared_info` and header.
pub const VETH_PEER_MTU: u32 = UMEM_FRAME - HEADROOM - 320 - ETHERNET_HEADER;

/// Kinds of device that never had a zero-copy mode, for kernels that do not tell features.
const COPY_ONLY: [&str; 6] = ["veth", "macvlan", "ipvlan", "dummy", "bond", "tun"];

/// Why a program attaches in native mode, and no frame reaches a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// A bond: the frame comes from a port, and a socket takes it from its own device alone
    /// (net/xdp/xsk.c, `xsk_rcv_check`).
    Bond,
    /// The driver drops what a program redirects.
    Driver,
}

impl Link {
    /// Returns why its frames are not Ethernet frames of a cable, or of what stands for one; `None`
    /// where they are.
    pub fn not_ethernet(&self) -> Option<&'static str> {
        match self.hardware {
            libc::ARPHRD_ETHER => None,
            libc::ARPHRD_LOOPBACK => Some("it is the host's loopback, and no frame leaves it"),
            libc::ARPHRD_NONE => Some("its packets have no Ethernet header"),
            _ => Some("its frames are not Ethernet frames"),
        }
    }

    /// Returns whether every frame fits into a single buffer.
    pub fn fits_single_buffer(&self) -> bool {
        self.mtu <= SINGLE_BUFFER_MTU
    }

    /// Returns whether sockets may bind in zero-copy mode, where the driver tells or is not known
    /// to have none.
    pub fn may_zero_copy(&self, features: Option<Features>) -> bool {
        match features {
            Some(features) => features.has(Features::ZERO_COPY),
            None => !COPY_ONLY.contains(&self.kind.as_str()),
        }
    }

    /// Returns why native mode would deliver nothing to sockets. A driver that tells no features
    /// is tried.
    pub fn undelivered_natively(&self, features: Option<Features>) -> Option<Undelivered> {
        if self.kind == "bond" {
            return Some(Undelivered::Bond);
        }
        features.is_some_and(Features::drops_redirected).then_some(Undelivered::Driver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: &str, mtu: u32) -> Link {
        Link { kind: kind.into(), mtu, ..Link::default() }
    }

    #[test]
    fn the_largest_mtu_leaves_room_for_the_ethernet_header() {
        assert_eq!((SINGLE_BUFFER, SINGLE_BUFFER_MTU), (3840, 3826));
        assert!(link("", 3826).fits_single_buffer() && !link("", 3827).fits_single_buffer());
    }

    #[test]
    fn a_driver_is_believed_before_the_list_of_kinds() {
        let veth = link("veth", 1500);
        assert!(!veth.may_zero_copy(None) && link("", 1500).may_zero_copy(None));
        assert!(veth.may_zero_copy(Some(Features::ZERO_COPY)));
        assert!(!link("", 1500).may_zero_copy(Some(Features::BASIC)));
    }

    #[test]
    fn a_bond_and_a_driver_without_redirect_deliver_nothing() {
        let both = Features(Features::BASIC.0 | Features::REDIRECT.0);
        let bond = link("bond", 1500);
        assert_eq!(bond.undelivered_natively(Some(both)), Some(Undelivered::Bond));
        assert_eq!(bond.undelivered_natively(None), Some(Undelivered::Bond));
        let card = link("", 1500);
        assert_eq!(card.undelivered_natively(Some(Features::BASIC)), Some(Undelivered::Driver));
        assert_eq!(card.undelivered_natively(Some(both)), None);
        assert_eq!(card.undelivered_natively(Some(Features(0))), None);
        assert_eq!(card.undelivered_natively(None), None);
    }
}
