// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a grant tells: everything that a manager wants to know about the sockets beside it.

use serde::{Deserialize, Serialize};

/// The sockets of `queues` queues, attached to this message in queue order, and what holds for
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The lease's number, unique while the machine is up.
    pub lease: u64,
    /// The interface's primary name when the lease began.
    pub ifname: String,
    /// The interface's index.
    pub ifindex: u32,
    /// The interface's link-layer address; zeros where it has none.
    pub mac: [u8; 6],
    /// The interface's MTU in bytes.
    pub mtu: u32,
    /// The first queue; the sockets are for this one and those after it.
    pub first_queue: u32,
    /// How many sockets are attached.
    pub queues: u32,
    /// How the program is attached.
    pub mode: Mode,
    /// Why it is attached so, where the request left it open; empty otherwise.
    pub mode_reason: String,
    /// The id of the XDP program on the interface.
    pub program_id: u32,
    /// The cookie of the network namespace (`SO_NETNS_COOKIE`), 0 where the kernel has none.
    pub netns_cookie: u64,
    /// What the sockets are confined to.
    pub confinement: Confinement,
    /// Whether frames of several buffers arrive.
    pub frags: bool,
    /// Whether the lease holds the interface in promiscuous mode.
    pub promisc: bool,
    /// What the interface lets in beside that.
    pub filter: Filter,
    /// Busy polling as set on the sockets.
    pub busy_poll: BusyPoll,
    /// Locked memory.
    pub memlock: Memlock,
    /// The rule that allowed it, for people: file and line.
    pub rule: String,
    /// The process that keeps the lease, as the helper's process-id namespace numbers it.
    pub keeper: u32,
    /// What the user should know about this interface.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub warnings: Vec<Warning>,
}

/// How an XDP program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the generic path, after the kernel made an skb.
    Skb,
}

impl Mode {
    /// The word that QEMU's `mode=` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Native => "native",
            Mode::Skb => "skb",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What the kernel holds the sockets to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The sockets bind to no other interface.
    pub device: bool,
    /// The sockets bind to no other queue, and to none at all once the lease is over.
    pub queue: bool,
}

/// Which frames the interface lets in beside those for its own address. The first two are this
/// lease's, and end with it; the others say what holds, whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Whether the lease holds the interface in all-multicast mode.
    pub allmulti: bool,
    /// The addresses for which the lease has the interface receive.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub macs: Vec<[u8; 6]>,
    /// Whether every frame is let in.
    pub all_frames: bool,
    /// Whether the frames for every group are let in.
    pub all_groups: bool,
}

/// Busy polling as set on the sockets; zeros where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BusyPoll {
    /// `SO_BUSY_POLL` in microseconds.
    pub usecs: u32,
    /// `SO_BUSY_POLL_BUDGET` in frames.
    pub budget: u32,
}

/// What was done about `RLIMIT_MEMLOCK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memlock {
    /// The limit in bytes that the requesting process now has; 0 where the helper did not touch it.
    pub limit: u64,
    /// The bytes that all leases of this uid declared, this one included.
    pub leased: u64,
}

/// A thing about the interface that a grant does not stop at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// The sentence for people.
    pub text: String,
}

/// The kinds of [`Warning`]. The order is the number on the wire: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WarningKind {
    /// The host has addresses on the interface.
    Addresses,
    /// The interface is part of a bridge, a bond or another upper device.
    Upper,
    /// The host's default route leaves by the interface.
    DefaultRoute,
    /// The sockets are not confined to the interface.
    NoDeviceConfinement,
    /// The sockets are not confined to their queues.
    NoQueueConfinement,
    /// The interface is down.
    Down,
    /// The kernel is too old for something that the text names.
    Kernel,
    /// VLAN tags are taken off before the sockets see a frame.
    Tags,
}
