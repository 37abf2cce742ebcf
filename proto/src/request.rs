// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a client can say. Nothing here names a user, a path or a process: those the helper asks the
//! kernel.

use serde::{Deserialize, Serialize};

/// A message from the client. The order is the number on the wire: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Opens the conversation; the first message, once.
    Hello(Hello),
    /// Asks for the sockets of some queues. Answered by `Granted` or `Refused`.
    Acquire(Acquire),
    /// Asks what is leased. Answered by one or more `Status`.
    Status,
    /// Asks what an acquire would be granted, and by which rule. Answered by `Verdict` or
    /// `Refused`.
    Check(Acquire),
    /// Ends leases: the caller's own, or anybody's where the caller is root. Answered by `Revoked`
    /// or `Refused`.
    Revoke(Revoke),
}

/// The greeting: which protocol versions the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::MAGIC`].
    pub magic: u32,
    /// The oldest version that the client speaks.
    pub min: u16,
    /// The newest version that the client speaks.
    pub max: u16,
}

impl Default for Hello {
    fn default() -> Self {
        Self { magic: crate::MAGIC, min: crate::VERSION_MIN, max: crate::VERSION_MAX }
    }
}

/// A request for `queues` sockets from `first_queue` on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquire {
    /// The interface's primary name, checked by the helper.
    pub ifname: String,
    /// The first queue.
    pub first_queue: u32,
    /// How many queues, 1 to [`crate::MAX_QUEUES`].
    pub queues: u32,
    /// How to attach the program.
    pub mode: ModeRequest,
    /// Typed options (see [`param`]); an unknown one is refused by its name.
    #[serde(deserialize_with = "crate::list::deserialize")]
    pub params: Vec<Param>,
}

/// How the XSK program is to be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModeRequest {
    /// Native, and where the driver has no native XDP, skb.
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the generic path.
    Skb,
}

/// A named option of an [`Acquire`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// One of [`param`]'s names.
    pub name: String,
    /// The option's value, of the type that the name calls for.
    pub value: Value,
}

/// The value of a [`Param`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// A count or a size.
    Number(u64),
    /// A word.
    Text(String),
}

/// The names of the options that version 1 knows.
pub mod param {
    /// Flag: the consumer binds with `XDP_USE_SG` and takes frames of several buffers.
    pub const FRAGS: &str = "frags";
    /// Flag: put the interface into promiscuous mode while the lease lasts.
    pub const PROMISC: &str = "promisc";
    /// Flag: have the interface let in the frames for every group while the lease lasts.
    pub const ALLMULTI: &str = "allmulti";
    /// Text: one to four addresses with commas, for which the interface is to receive while the
    /// lease lasts.
    pub const MACS: &str = "macs";
    /// Flag: refuse where another lease has queues of the interface.
    pub const ALONE: &str = "alone";
    /// Number: microseconds of `SO_BUSY_POLL`, with `SO_PREFER_BUSY_POLL`, set on the sockets.
    pub const BUSY_POLL: &str = "busy-poll";
    /// Number: frames of `SO_BUSY_POLL_BUDGET`.
    pub const BUSY_POLL_BUDGET: &str = "busy-poll-budget";
    /// Number: bytes that the consumer will lock for this lease; the helper raises `RLIMIT_MEMLOCK`
    /// by it where the policy allows.
    pub const MEMLOCK: &str = "memlock";
}

/// Which leases to end. Each field narrows the choice; `user` is for root alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// The interface by name; empty for every interface.
    pub ifname: String,
    /// The lease that holds this queue; [`Revoke::ANY`] for every queue.
    pub queue: u32,
    /// The leases of this uid; [`Revoke::ANY`] for every user that the caller may revoke.
    pub user: u32,
}

impl Revoke {
    /// Stands for "not narrowed by this field" (no queue and no uid has that number).
    pub const ANY: u32 = u32::MAX;
}
