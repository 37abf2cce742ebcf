// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an older kernel cannot do: a sentence each, which goes to the client with the grant. What makes a grant
//! impossible is refused elsewhere, and confinement has warnings of its own.

use std::os::fd::AsFd;

use xsk_proto::{Memlock, Warning, WarningKind};

use super::lease::Lease;
use crate::leases::key::Netns;
use crate::sys::pidfd;

const KEEPER: &str = "before Linux 5.19 the end of a lease takes no socket back: until they are closed its queues are busy, and one that is \
    unbound can be bound";
const COOKIE: &str =
    "before Linux 5.14 the helper cannot tell whether the client is in its network namespace: see that it is";
const QUEUES: &str =
    "this kernel does not tell which queues are in use (Linux 6.15 does): if bind answers EBUSY, try again";
const PIDFD: &str =
    "before Linux 6.5 the process whose memlock was raised is known by its number and its user alone";

/// What this kernel lacks for this lease. `told` is whether it said that the queues are free.
pub(super) fn warnings(connection: impl AsFd, lease: &Lease, told: bool, memlock: Memlock) -> Vec<Warning> {
    let by_number = || memlock.limit > 0 && matches!(pidfd::of_peer(connection.as_fd()), Ok(None));
    let lacks = [
        (!lease.can_end(), KEEPER),
        (matches!(lease.key.netns, Netns::Inode(_)), COOKIE),
        (!told, QUEUES),
        (by_number(), PIDFD),
    ];
    let texts = lacks.into_iter().filter(|(lacks, _)| *lacks).map(|(_, text)| text);
    texts.map(|text| Warning { kind: WarningKind::Kernel, text: text.to_owned() }).collect()
}
