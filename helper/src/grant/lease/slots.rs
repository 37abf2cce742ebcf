// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket and the slot of its queue in the map.

use std::os::fd::{AsFd, OwnedFd};

use xsk_bpf::XskMap;

use crate::bpf_call::raised;
use crate::error::{Failure, KernelFault, ProgramFault, Taken};

/// What became of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is in its slot.
    Now,
    /// The kernel wants its RX ring first ([`super::deferred_insert`]).
    Deferred,
}

/// Puts a socket into the slot of its queue, which has to be empty.
pub(super) fn insert(
    map: &XskMap,
    queue: u32,
    socket: &OwnedFd,
    ifname: &str,
) -> Result<Inserted, Failure> {
    let Err(error) = raised(|| map.insert(queue, socket.as_fd()))? else {
        return Ok(Inserted::Now);
    };
    match error.errno {
        libc::ENOBUFS => Ok(Inserted::Deferred),
        libc::EEXIST => Err(occupied(queue, ifname).into()),
        libc::EOPNOTSUPP => {
            Err(KernelFault::TooOld("takes no socket into an XSKMAP before it is bound").into())
        }
        libc::E2BIG => Err(ProgramFault::BeyondMap { name: ifname.to_owned(), queue }.into()),
        _ => Err(error.into()),
    }
}

/// Somebody's socket is in the slot.
pub(super) fn occupied(queue: u32, ifname: &str) -> Taken {
    Taken::Slot { name: ifname.to_owned(), queue }
}
