// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the helper can say: answers, and on a lease's connection, events.

use serde::{Deserialize, Serialize};

use crate::{Code, Confinement, Granted, Mode, StatusPart};

/// A message from the helper. The order is the number on the wire: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Answers the greeting with the version that both will speak.
    Welcome {
        /// The protocol version.
        version: u16,
        /// The helper's own version, for people.
        helper: String,
    },
    /// The sockets, attached in queue order.
    Granted(Granted),
    /// Nothing was done, and why.
    Refused(Refused),
    /// A part of the answer to `Status`.
    Status(StatusPart),
    /// The answer to `Check`.
    Verdict(Verdict),
    /// The answer to `Revoke`: how many leases were told to end.
    Revoked {
        /// The number of leases.
        leases: u32,
    },
    /// Something happened to the lease on this connection.
    Event(Event),
}

/// A refusal: the same four things in every place where an error can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The stable code.
    pub code: Code,
    /// What it is about: an interface, a queue, a file.
    pub object: String,
    /// What happened, a sentence.
    pub message: String,
    /// What to do next; empty where there is nothing.
    pub hint: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// What an acquire would be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule that allows it: file and line.
    pub rule: String,
    /// How the program would be attached, where that is known without trying.
    pub mode: Option<Mode>,
    /// What this kernel can confine the sockets to.
    pub confinement: Confinement,
    /// Whether promiscuous mode may be asked for.
    pub promisc: bool,
    /// Whether all-multicast mode may be asked for.
    pub allmulti: bool,
    /// Whether busy polling may be asked for.
    pub busy_poll: bool,
    /// The most bytes to which `RLIMIT_MEMLOCK` would be raised; 0 for never.
    pub memlock_max: u64,
}

/// News about a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The sentence for people.
    pub text: String,
}

/// The kinds of [`Event`]. The order is the number on the wire: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// The interface was removed; the lease ends.
    InterfaceGone,
    /// The interface left the network namespace; the lease ends.
    InterfaceMoved,
    /// The interface went down.
    InterfaceDown,
    /// The interface came up.
    InterfaceUp,
    /// The interface has a new name.
    InterfaceRenamed,
    /// A queue of the lease is not among the interface's real queues any more.
    QueuesReduced,
    /// The program of the lease is not the one on the interface any more.
    ProgramReplaced,
    /// An administrator or the user revoked the lease; receive has stopped.
    Revoked,
}

impl EventKind {
    /// The kind's name as scripts see it.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::InterfaceGone => "interface-gone",
            EventKind::InterfaceMoved => "interface-moved",
            EventKind::InterfaceDown => "interface-down",
            EventKind::InterfaceUp => "interface-up",
            EventKind::InterfaceRenamed => "interface-renamed",
            EventKind::QueuesReduced => "queues-reduced",
            EventKind::ProgramReplaced => "program-replaced",
            EventKind::Revoked => "revoked",
        }
    }
}
