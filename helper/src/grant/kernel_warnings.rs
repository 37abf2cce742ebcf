// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sentences about what an older kernel cannot do. They go to the client with the grant. What makes
//! a grant impossible is refused elsewhere, and confinement has warnings of its own.

use std::os::fd::AsFd;

use xsk_proto::{Memlock, Warning, WarningKind};

use super::lease::Lease;
use crate::leases::key::Netns;
use crate::sys::pidfd;

const KEEPER: &str = "before Linux 5.19 the end of a lease takes no socket back: until they are closed its queues are busy, and one that is \
    unbound can be bound";
const COOKIE: &str = "before Linux 5.14 the helper cannot tell whether the client is in its network namespace: see that it is";
const QUEUES: &str = "this kernel does not tell which queues are in use (Linux 6.15 does): if bind answers EBUSY, try again";
const PIDFD: &str = "before Linux 6.5 the process whose memlock was raised is known by its number and its user alone";

/// What the kernel lacks for a lease.
#[derive(Debug, Clone, Copy, Default)]
struct Lacks {
    /// A keeper cannot empty a slot.
    emptying: bool,
    /// A network namespace has no cookie.
    cookie: bool,
    /// Nothing tells which queues are in use.
    queues: bool,
    /// The process whose memlock was raised is known by its number alone.
    pidfd: bool,
}

impl Lacks {
    fn warnings(self) -> Vec<Warning> {
        let texts = [
            (self.emptying, KEEPER),
            (self.cookie, COOKIE),
            (self.queues, QUEUES),
            (self.pidfd, PIDFD),
        ];
        let missing = texts.into_iter().filter(|(missing, _)| *missing);
        missing
            .map(|(_, text)| Warning { kind: WarningKind::Kernel, text: text.to_owned() })
            .collect()
    }
}

/// Returns what this kernel lacks for this lease. `told` is whether it said that the queues are
/// free.
pub(super) fn warnings(
    connection: impl AsFd,
    lease: &Lease,
    told: bool,
    memlock: Memlock,
) -> Vec<Warning> {
    let by_number = || matches!(pidfd::of_peer(connection.as_fd()), Ok(None));
    let lacks = Lacks {
        emptying: !lease.can_end(),
        cookie: matches!(lease.key.netns, Netns::Inode(_)),
        queues: !told,
        pidfd: memlock.limit > 0 && by_number(),
    };
    lacks.warnings()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_is_missing_has_its_sentence() {
        let of = |lacks: Lacks| {
            lacks.warnings().into_iter().map(|warning| warning.text).collect::<Vec<_>>()
        };
        let none = Lacks::default();
        assert!(of(none).is_empty());
        assert_eq!(of(Lacks { emptying: true, ..none }), [KEEPER]);
        assert_eq!(of(Lacks { cookie: true, ..none }), [COOKIE]);
        assert_eq!(of(Lacks { queues: true, ..none }), [QUEUES]);
        assert_eq!(of(Lacks { pidfd: true, ..none }), [PIDFD]);
    }
}
