// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket and the slot of its queue in the map.

use std::os::fd::{AsFd, OwnedFd};

use xsk_bpf::XskMap;
use xsk_proto::Code;

use crate::bpf_call::{explain, raised};
use crate::error::Failure;

/// What became of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is in its slot.
    Now,
    /// The kernel wants its RX ring first ([`super::deferred_insert`]).
    Deferred,
}

/// Puts a socket into the slot of its queue, which has to be empty.
pub(super) fn insert(map: &XskMap, queue: u32, socket: &OwnedFd, ifname: &str) -> Result<Inserted, Failure> {
    let Err(error) = raised(|| map.insert(queue, socket.as_fd()))? else { return Ok(Inserted::Now) };
    match error.errno {
        libc::ENOBUFS => Ok(Inserted::Deferred),
        libc::EEXIST => Err(occupied(queue, ifname)),
        libc::EOPNOTSUPP => Err(Failure::too_old("takes no socket into an XSKMAP before it is bound")),
        libc::E2BIG => Err(beyond(queue, ifname)),
        _ => Err(explain(&error)),
    }
}

/// Somebody's socket is in the slot.
pub(super) fn occupied(queue: u32, ifname: &str) -> Failure {
    let message = format!("queue {queue} of {ifname} is occupied by a socket that no lease accounts for");
    Failure::new(Code::Busy, ifname, message)
        .hint("it is free as soon as whoever has that socket closes it (xsk-client status)")
}

fn beyond(queue: u32, ifname: &str) -> Failure {
    let message =
        format!("{ifname} got more queues after the program was loaded; queue {queue} is beyond its map");
    Failure::new(Code::QueueRange, ifname, message)
        .hint("end the other leases of the interface first, so that the program is loaded anew")
}
