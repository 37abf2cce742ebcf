// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a policy says, after it was checked.
#![forbid(unsafe_code)]

use std::time::Duration;

use xsk_proto::{MAX_QUEUES, Mode};

use super::pattern::Pattern;
pub use super::queues::QueueSet;

/// Every rule of every file, in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Who may.
    pub allow: Vec<Rule>,
    /// Who may not, whatever else is said.
    pub deny: Vec<Rule>,
    /// The limits on connections.
    pub limits: Limits,
}

impl Policy {
    /// Returns whether any rule has a user's RLIMIT_MEMLOCK raised.
    pub fn raises_memlock(&self) -> bool {
        self.allow.iter().any(|rule| rule.memlock > 0)
    }
}

/// A user or a group, by name or by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// As the user database has it.
    Name(String),
    /// As the kernel has it.
    Number(u32),
}

/// What the sockets have to be confined to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confine {
    /// The interface.
    Device,
    /// The interface and the queue.
    Queue,
}

/// One rule. A deny rule has users, groups and interfaces only.
#[derive(Debug, Clone)]
pub struct Rule {
    /// File and line, for people.
    pub label: String,
    /// The users it is for.
    pub users: Vec<Principal>,
    /// The groups it is for.
    pub groups: Vec<Principal>,
    /// The interfaces, as shell globs.
    pub interfaces: Vec<Pattern>,
    /// The queues.
    pub queues: QueueSet,
    /// What the sockets have to be confined to.
    pub confine: Confine,
    /// The modes in which the program may be attached.
    pub modes: Vec<Mode>,
    /// The most queues of one lease.
    pub max_queues: u32,
    /// The most leases that a user has under any rule.
    pub max_leases: u32,
    /// Whether another user may have queues of the interface at the same time.
    pub shared: bool,
    /// Whether promiscuous mode may be asked for.
    pub promisc: bool,
    /// Whether all-multicast mode may be asked for.
    pub allmulti: bool,
    /// The addresses of guests for which the interface may receive, in small letters.
    pub macs: Vec<Pattern>,
    /// Whether busy polling may be asked for.
    pub busy_poll: bool,
    /// The most bytes to which `RLIMIT_MEMLOCK` is raised; 0 for never.
    pub memlock: u64,
    /// How long the program stays on the interface after the last lease.
    pub linger: Duration,
}

impl Rule {
    /// The most leases of a user where the rule does not say.
    pub const MAX_LEASES: u32 = 64;

    /// How long the program stays where the rule does not say.
    pub const LINGER: Duration = Duration::from_secs(2);

    /// The most queues of a lease where the rule does not say.
    pub const MAX_QUEUES: u32 = MAX_QUEUES;

    /// Returns whether one of the patterns matches.
    pub fn covers(&self, ifname: &str) -> bool {
        self.interfaces.iter().any(|pattern| pattern.matches(ifname))
    }
}

/// Limits on connections, the same for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most connections of one user, leases included.
    pub connections: u32,
    /// How long a connection without a lease may be silent.
    pub idle: Duration,
    /// The most messages of one conversation.
    pub messages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 128, idle: Duration::from_secs(10), messages: 16 }
    }
}
