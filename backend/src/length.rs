// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long a frame may be: what the interface's MTU makes of it, and whether that takes several
//! buffers.
#![forbid(unsafe_code)]

use xsk_socket::{RX_HEADROOM, has_several_buffers};

/// An Ethernet header and one VLAN tag: what the kernel lets pass beside the MTU
/// (`is_skb_forwardable`, net/core/dev.c).
const AROUND: u32 = 14 + 4;
const HEADER: u32 = 14;

/// The longest frame of an interface with this MTU.
pub(crate) fn longest(mtu: u32) -> usize {
    (mtu + AROUND) as usize
}

/// What a socket is bound for. On a kernel without several buffers that is nothing where one does
/// not do.
pub(crate) fn bound_for(mtu: u32, frame_size: u32) -> Option<usize> {
    let longest = longest(mtu);
    let single = longest <= (frame_size - RX_HEADROOM) as usize;
    (single || has_several_buffers()).then_some(longest)
}

/// Whether untagged frames of this MTU need several buffers of a consumer, and this kernel has
/// them.
pub(crate) fn takes_several(mtu: u32, frame_size: u32) -> bool {
    mtu + HEADER > frame_size - RX_HEADROOM && has_several_buffers()
}

/// What to say of two interfaces that forward to each other, if the frames of one are too long for
/// the other.
pub(crate) fn unequal([left, right]: [(&str, u32); 2]) -> Option<String> {
    let ((long, most), (short, least)) =
        if left.1 > right.1 { (left, right) } else { (right, left) };
    (most > least).then(|| {
        format!(
            "{long} has an MTU of {most} and {short} of {least}: longer frames than {} bytes are dropped and counted on \
             their way to {short}; as root: ip link set dev {long} mtu {least}",
            longest(least)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_frame_holds_what_the_helper_grants_without_frags() {
        assert!(!takes_several(3826, 4096) && !takes_several(1500, 2048));
        assert_eq!(takes_several(3827, 4096), has_several_buffers());
        assert_eq!(bound_for(1500, 2048), Some(1518));
        assert_eq!(bound_for(9000, 4096), has_several_buffers().then_some(9018));
    }

    #[test]
    fn the_interface_with_the_longer_frames_is_the_one_to_change() {
        assert_eq!(unequal([("eth1", 1500), ("eth2", 1500)]), None);
        let text = unequal([("eth1", 1500), ("eth2", 9000)]).unwrap();
        assert!(
            text.starts_with(
                "eth2 has an MTU of 9000 and eth1 of 1500: longer frames than 1518 bytes"
            ),
            "{text}"
        );
        assert!(text.ends_with("ip link set dev eth2 mtu 1500"), "{text}");
    }
}
