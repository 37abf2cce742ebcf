// SPDX-License-Identifier: MIT OR Apache-2.0
//! What makes a virtio device a network card (virtio 1.2, 5.1): feature bits, the header before
//! each frame, the configuration space, and the control queue.
#![forbid(unsafe_code)]

mod config;
mod control;
mod header;

pub use config::NetConfig;
pub use control::{Command, answer};
pub use header::{Header, header_len};

/// Feature bits, by the names of `linux/virtio_net.h`, `virtio_config.h` and `vhost_types.h`.
pub mod feature {
    /// The device computes checksums that the driver leaves to it.
    pub const CSUM: u64 = 1 << 0;
    /// The driver takes frames whose checksum is not complete.
    pub const GUEST_CSUM: u64 = 1 << 1;
    /// The configuration space has an MTU.
    pub const MTU: u64 = 1 << 3;
    /// The configuration space has a MAC address.
    pub const MAC: u64 = 1 << 5;
    /// The driver takes several segments of TCP over IPv4 as one frame.
    pub const GUEST_TSO4: u64 = 1 << 7;
    /// The same over IPv6.
    pub const GUEST_TSO6: u64 = 1 << 8;
    /// The device cuts frames of TCP over IPv4 into segments.
    pub const HOST_TSO4: u64 = 1 << 11;
    /// The same over IPv6.
    pub const HOST_TSO6: u64 = 1 << 12;
    /// The device cuts those too that say that congestion was met.
    pub const HOST_ECN: u64 = 1 << 13;
    /// A frame may fill several buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The configuration space has a link state.
    pub const STATUS: u64 = 1 << 16;
    /// There is a control queue.
    pub const CTRL_VQ: u64 = 1 << 17;
    /// The driver chooses how many pairs of queues it uses.
    pub const MQ: u64 = 1 << 22;
    /// Buffers may be described by a table apart.
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// Each side says at which index it wants to be told.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// vhost-user's own: there are protocol features.
    pub const PROTOCOL: u64 = 1 << 30;
    /// virtio 1.0 and later.
    pub const VERSION_1: u64 = 1 << 32;

    /// The name of the lowest bit that is set, for messages.
    pub fn name(bits: u64) -> String {
        let known = [
            (CSUM, "CSUM"),
            (GUEST_CSUM, "GUEST_CSUM"),
            (MTU, "MTU"),
            (MAC, "MAC"),
            (GUEST_TSO4, "GUEST_TSO4"),
            (GUEST_TSO6, "GUEST_TSO6"),
            (HOST_TSO4, "HOST_TSO4"),
            (HOST_TSO6, "HOST_TSO6"),
            (HOST_ECN, "HOST_ECN"),
            (MRG_RXBUF, "MRG_RXBUF"),
            (STATUS, "STATUS"),
            (CTRL_VQ, "CTRL_VQ"),
            (MQ, "MQ"),
            (INDIRECT_DESC, "INDIRECT_DESC"),
            (EVENT_IDX, "EVENT_IDX"),
            (PROTOCOL, "PROTOCOL_FEATURES"),
            (VERSION_1, "VERSION_1"),
        ];
        let found =
            known.into_iter().find(|(bit, _)| bits & bit != 0).filter(|(bit, _)| bits < 2 * bit);
        found.map_or_else(|| format!("bit {}", bits.trailing_zeros()), |(_, name)| name.to_owned())
    }
}
