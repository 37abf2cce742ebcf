// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is leased: true at the moment of the answer, read from the kernel.

use serde::{Deserialize, Serialize};

use crate::{Confinement, Mode};

/// A part of the answer to `Status`; the last one has `more` false.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatusPart {
    /// Interfaces with a program of ours.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub interfaces: Vec<InterfaceStatus>,
    /// Leases: the caller's own, and everybody's for root.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub leases: Vec<LeaseStatus>,
    /// Whether another part follows.
    pub more: bool,
}

/// An interface with a program of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// The name now; empty where the interface is gone or in another namespace.
    pub ifname: String,
    /// The index.
    pub ifindex: u32,
    /// The cookie of its network namespace, 0 where the kernel has none.
    pub netns_cookie: u64,
    /// The id of the program.
    pub program_id: u32,
    /// How it is attached.
    pub mode: Mode,
    /// Occupied queues that no lease accounts for.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub orphans: Vec<u32>,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// The lease's number.
    pub lease: u64,
    /// The interface's name now; empty where it is gone.
    pub ifname: String,
    /// The interface's index.
    pub ifindex: u32,
    /// The cookie of its network namespace, 0 where the kernel has none.
    pub netns_cookie: u64,
    /// The first queue.
    pub first_queue: u32,
    /// How many queues.
    pub queues: u32,
    /// Who holds it.
    pub uid: u32,
    /// The process that asked for it.
    pub client: u32,
    /// The process that keeps it.
    pub keeper: u32,
    /// Seconds since the grant.
    pub age: u64,
    /// The rule that allowed it.
    pub rule: String,
    /// What the sockets are confined to.
    pub confinement: Confinement,
    /// Queues whose socket is gone while the lease is held.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub idle: Vec<u32>,
}
