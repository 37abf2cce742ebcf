// SPDX-License-Identifier: MIT OR Apache-2.0
//! Another process has what was asked for.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused};

use super::say;
use crate::paths;

/// What is taken, and by whom. `name` is the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A lease has the queue; `pid` is its keeper. The request could begin at queue `free` instead.
    Held { name: String, queue: u32, uid: u32, pid: u32, free: Option<u32> },
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
        say(Code::Busy, self.object(), self.message(), self.hint())
    }

    fn object(&self) -> &str {
        match self {
            Self::Held { name, .. }
            | Self::Unshared { name, .. }
            | Self::NotAlone { name }
            | Self::TheirsAlone { name, .. }
            | Self::InterfaceLock { name, .. }
            | Self::Slot { name, .. }
            | Self::Bound { name, .. } => name,
            Self::UnseenSlots { .. } => "the interface",
            Self::Address { mac, .. } | Self::Filter { mac, .. } => mac,
            Self::Keeper { .. } => "lease",
            Self::Mount => paths::BPF,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Held { name, queue, uid, pid, .. } => {
                format!("queue {queue} of {name} is leased to uid {uid} (keeper {pid})")
            }
            Self::Unshared { name, uid } => {
                format!("uid {uid} has leases on {name}, and the policy does not share it")
            }
            Self::TheirsAlone { name, uid } => {
                format!("uid {uid} has leases on {name} by a rule that does not share it")
            }
            Self::NotAlone { name } => {
                format!("{name} has another lease, and this one was to be the only one")
            }
            Self::InterfaceLock { name, pid } => held_too_long(*pid, name),
            Self::UnseenSlots { ifindex, pid } => {
                let held = held_too_long(*pid, &format!("interface {ifindex}"));
                format!("{held}, so its slots were not looked at")
            }
            Self::Slot { name, queue } => {
                format!(
                    "queue {queue} of {name} is occupied by a socket that no lease accounts for"
                )
            }
            Self::Bound { name, queue } => {
                format!(
                    "an AF_XDP socket that no lease accounts for is bound to queue {queue} of {name}"
                )
            }
            Self::Address { mac, owner } => {
                format!("{mac} is the address of {owner}, so it is not to be a guest's")
            }
            Self::Filter { name, mac } => {
                format!("{name} receives for {mac} already, for another lease or program")
            }
            Self::Keeper { pid, uid, queues } => format!(
                "keeper {pid} of uid {uid} was killed and has not ended; its lease receives nothing more, \
                 and holds queue {} until then",
                list(queues)
            ),
            Self::Mount => {
                "another helper has been mounting the bpffs for longer than that takes".into()
            }
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Held { free: Some(first), .. } => {
                format!("ask for a queue that is free: start-queue={first}")
            }
            Self::Held { free: None, .. } => {
                "no other queue is free: end one of the leases; your own: xsk-client status".into()
            }
            Self::Unshared { uid, .. } => in_both_rules(*uid),
            Self::TheirsAlone { uid, .. } => {
                format!("{}; that counts for leases to come", in_both_rules(*uid))
            }
            Self::NotAlone { .. } => {
                "take an interface without leases, or end that lease; your own: xsk-client status"
                    .into()
            }
            Self::InterfaceLock { .. } | Self::UnseenSlots { .. } => {
                "try again; if it stays so, look at that process".into()
            }
            Self::Slot { .. } => format!("{SOCKET_CLOSES} (xsk-client status)"),
            Self::Bound { .. } => format!("{SOCKET_CLOSES}; to see its process: ss --xdp -p"),
            Self::Address { .. } => "give the guest another one: mac= of its card".into(),
            Self::Filter { .. } => {
                "give the guest another address: mac= of its card; xsk-client status shows leases"
                    .into()
            }
            Self::Keeper { uid, .. } => {
                format!("end the processes of uid {uid}, one of which may hold it in the kernel")
            }
            Self::Mount => "try again; or mount it by hand".into(),
        }
    }
}

fn in_both_rules(uid: u32) -> String {
    format!("the administrator can set shared = true in both rules, yours and that of uid {uid}")
}

fn held_too_long(pid: u32, name: &str) -> String {
    format!("process {pid} holds the lock of {name} for longer than a grant takes")
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
        assert!(Taken::Held { name: name(), queue: 0, uid: 1, pid: 2, free: None }.may_pass());
        assert!(Taken::Unshared { name: name(), uid: 1 }.may_pass());
        assert!(Taken::TheirsAlone { name: name(), uid: 1 }.may_pass());
        assert!(Taken::Slot { name: name(), queue: 0 }.may_pass());
        assert!(Taken::Filter { name: name(), mac: String::new() }.may_pass());
        assert!(!Taken::InterfaceLock { name: name(), pid: 2 }.may_pass());
        assert!(!Taken::Address { mac: String::new(), owner: name() }.may_pass());
        assert!(!Taken::Mount.may_pass());
    }
}
