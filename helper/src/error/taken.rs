// SPDX-License-Identifier: MIT OR Apache-2.0
//! Another process has what was asked for.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused};

use super::say;
use crate::paths;

/// What is taken, and by whom. `name` is the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A lease has the queue; `pid` is its keeper.
    Held { name: String, queue: u32, uid: u32, pid: u32 },
    /// Another user has leases, and the rule of this one does not share the interface.
    Unshared { name: String, uid: u32 },
    /// Another user has leases by a rule that does not share the interface.
    TheirsAlone { name: String, uid: u32 },
    /// Another lease has queues of the interface, and this one was to be the only one.
    NotAlone { name: String },
    /// A process does not let go of the interface's lock.
    InterfaceLock { name: String, pid: u32 },
    /// The same, and so the slots could not be looked at.
    UnseenSlots { ifindex: u32, pid: u32 },
    /// A socket is in the slot.
    Slot { name: String, queue: u32 },
    /// A socket is bound to the queue.
    Bound { name: String, queue: u32 },
    /// The guest's address is that of an interface, `owner`.
    Address { mac: String, owner: String },
    /// The interface receives for the guest's address already.
    Filter { name: String, mac: String },
    /// A keeper that was killed is still there.
    Keeper { pid: u32, uid: u32, queues: Vec<u32> },
    /// Another helper has been mounting the bpffs for longer than that takes.
    Mount,
}

const SOCKET_CLOSES: &str = "it is free as soon as whoever has that socket closes it";
const LOCK: &str = "try again; if it stays so, look at that process";

impl Taken {
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Taken::Held { .. }
                | Taken::Unshared { .. }
                | Taken::TheirsAlone { .. }
                | Taken::NotAlone { .. }
                | Taken::Slot { .. }
                | Taken::Filter { .. }
        )
    }

    pub(super) fn refused(&self) -> Refused {
        let (object, message, hint) = self.parts();
        say(Code::Busy, object, message, hint)
    }

    /// Object, sentence and hint.
    fn parts(&self) -> (&str, String, String) {
        match self {
            Self::Held { name, queue, uid, pid } => (
                name,
                format!("queue {queue} of {name} is leased to uid {uid} (keeper {pid})"),
                "wait for it with --wait, or ask for another queue with start-queue=".into(),
            ),
            Self::Unshared { name, uid } => (
                name,
                format!("uid {uid} has leases on {name}, and the policy does not share it"),
                "the administrator can set shared = true in the rule".into(),
            ),
            Self::NotAlone { name } => (
                name,
                format!("{name} has another lease, and this one was to be the only one"),
                "take another interface, or wait for this one with --wait".into(),
            ),
            Self::TheirsAlone { name, uid } => (
                name,
                format!("uid {uid} has leases on {name} by a rule that does not share it"),
                "the administrator can set shared = true in that rule, which counts for leases to come"
                    .into(),
            ),
            Self::InterfaceLock { name, pid } => (
                name,
                format!("process {pid} holds the lock of {name} for longer than a grant takes"),
                LOCK.into(),
            ),
            Self::UnseenSlots { ifindex, pid } => (
                "the interface",
                format!(
                    "process {pid} holds the lock of interface {ifindex} for longer than a grant takes, so its slots \
                     were not looked at"
                ),
                LOCK.into(),
            ),
            Self::Slot { name, queue } => (
                name,
                format!("queue {queue} of {name} is occupied by a socket that no lease accounts for"),
                format!("{SOCKET_CLOSES} (xsk-client status)"),
            ),
            Self::Bound { name, queue } => (
                name,
                format!("an AF_XDP socket that no lease accounts for is bound to queue {queue} of {name}"),
                format!("{SOCKET_CLOSES}; to see its process: ss --xdp -p"),
            ),
            Self::Address { mac, owner } => (
                mac,
                format!("{mac} is the address of {owner}, so it is not to be a guest's"),
                "give the guest another one: mac= of its card".into(),
            ),
            Self::Filter { name, mac } => (
                mac,
                format!("{name} receives for {mac} already, for another lease or program"),
                "give the guest another address: mac= of its card; xsk-client status shows leases".into(),
            ),
            Self::Keeper { pid, uid, queues } => (
                "lease",
                format!(
                    "keeper {pid} of uid {uid} was killed and has not ended; its lease receives nothing more, and \
                     holds queue {} until then",
                    list(queues)
                ),
                format!("end the processes of uid {uid}, one of which may hold it in the kernel"),
            ),
            Self::Mount => (
                paths::BPF,
                "another helper has been mounting the bpffs for longer than that takes".into(),
                "try again; or mount it by hand".into(),
            ),
        }
    }
}

fn list(queues: &[u32]) -> String {
    queues.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_with_a_killed_process_is_waited_for() {
        let name = || "eth1".to_owned();
        assert!(Taken::Held { name: name(), queue: 0, uid: 1, pid: 2 }.may_pass());
        assert!(Taken::Unshared { name: name(), uid: 1 }.may_pass());
        assert!(Taken::TheirsAlone { name: name(), uid: 1 }.may_pass());
        assert!(Taken::Slot { name: name(), queue: 0 }.may_pass());
        assert!(Taken::Filter { name: name(), mac: String::new() }.may_pass());
        assert!(!Taken::InterfaceLock { name: name(), pid: 2 }.may_pass());
        assert!(!Taken::Address { mac: String::new(), owner: name() }.may_pass());
        assert!(!Taken::Mount.may_pass());
    }
}
