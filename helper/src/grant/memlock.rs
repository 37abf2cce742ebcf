// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raises the client's RLIMIT_MEMLOCK to the sum of all its user's leases, as far as the policy
//! allows. A consumer whose UMEM does not fit under the limit fails, and QEMU crashes.

use std::os::fd::{AsFd, OwnedFd};

use caps::Capability::CAP_SYS_RESOURCE;
use xsk_proto::Memlock;

use crate::audit::{Line, What};
use crate::caller::Caller;
use crate::error::Failure;
use crate::leases::memlock::Declaration;
use crate::sys::{pidfd, privilege};

/// Declares what the lease will lock, and raises the limit if the policy has a `most` for it. The
/// declaration is kept with the lease: dropping it takes it back.
pub(super) fn declare(
    connection: impl AsFd,
    caller: &Caller,
    bytes: u64,
    most: u64,
) -> Result<(Memlock, Option<Declaration>), Failure> {
    if bytes == 0 {
        return Ok((Memlock::default(), None));
    }
    let failed = |error| Failure::sys("declaring locked memory", error);
    let (declaration, leased) = Declaration::new(caller.uid, bytes).map_err(failed)?;
    let limit =
        if most == 0 { 0 } else { raise(connection, caller, leased.min(most)).unwrap_or_else(unraised) };
    Ok((Memlock { limit, leased }, Some(declaration)))
}

/// A limit that could not be raised is no reason to refuse: the client checks the limit before it
/// starts anything.
fn unraised(failure: Failure) -> u64 {
    Line::new(What::Error).with("memlock", failure.refused().message).log();
    0
}

fn raise(connection: impl AsFd, caller: &Caller, bytes: u64) -> Result<u64, Failure> {
    let failed = |error| Failure::sys("raising RLIMIT_MEMLOCK", error);
    let gone = || Failure::sys("raising RLIMIT_MEMLOCK", "the process that asked is gone");
    let process = process(connection, caller)?;
    if !pidfd::alive(&process) {
        return Err(gone());
    }
    let limit = privilege::with(&[CAP_SYS_RESOURCE], || pidfd::raise_memlock(caller.pid, bytes))
        .map_err(|error| Failure::sys("raising CAP_SYS_RESOURCE", error))?
        .map_err(failed)?;
    // It was alive before and after, so the number meant this process in between.
    if pidfd::alive(&process) { Ok(limit) } else { Err(gone()) }
}

/// Returns the process that connected. Before Linux 6.5 only its number is known; then the process
/// of that number has to be the same user's at least.
fn process(connection: impl AsFd, caller: &Caller) -> Result<OwnedFd, Failure> {
    let failed = |error| Failure::sys("finding the process that asked", error);
    if let Some(process) = pidfd::of_peer(connection.as_fd()).map_err(failed)? {
        return Ok(process);
    }
    let process = pidfd::open(caller.pid).map_err(failed)?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", caller.pid)).map_err(failed)?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let same = uids.split_whitespace().all(|uid| uid.parse() == Ok(caller.uid));
    if same {
        Ok(process)
    } else {
        Err(Failure::sys("finding the process that asked", "it is another user's now"))
    }
}
