// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raises the client's RLIMIT_MEMLOCK to the sum of all its user's leases, as far as the policy
//! allows. A consumer whose UMEM does not fit under the limit fails, and QEMU crashes.

use std::os::fd::{AsFd, OwnedFd};

use caps::Capability::CAP_SYS_RESOURCE;
use xsk_proto::Memlock;

use crate::audit::{Line, What};
use crate::caller::Caller;
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::leases::memlock::Declaration;
use crate::sys::pidfd::{self, Limits};
use crate::sys::privilege;

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
    let limit = if most == 0 {
        0
    } else {
        raise(connection, caller, leased.min(most)).unwrap_or_else(unraised)
    };
    Ok((Memlock { limit, leased }, Some(declaration)))
}

/// A limit that could not be raised is no reason to refuse: the client checks the limit before it
/// starts anything.
fn unraised(failure: Failure) -> u64 {
    Line::new(What::Error).with("memlock", failure.refused().message).log();
    0
}

fn raise(connection: impl AsFd, caller: &Caller, bytes: u64) -> Result<u64, Failure> {
    let process = process(connection, caller)?;
    let limit = privilege::with(&[CAP_SYS_RESOURCE], || raise_of(&process, caller, bytes));
    limit.map_err(|error| Failure::sys("raising CAP_SYS_RESOURCE", error))?
}

/// Raises the limits of a process to `bytes`, and lowers none. It is the user's before and after,
/// so its number meant it in between; a process that has become another user's gets its limits
/// back.
fn raise_of(process: &OwnedFd, caller: &Caller, bytes: u64) -> Result<u64, Failure> {
    let failed = |error| Failure::sys("raising RLIMIT_MEMLOCK", error);
    check(process, caller)?;
    let old = pidfd::memlock(caller.pid, None).map_err(failed)?;
    let new = Limits { rlim_cur: old.rlim_cur.max(bytes), rlim_max: old.rlim_max.max(bytes) };
    if (new.rlim_cur, new.rlim_max) != (old.rlim_cur, old.rlim_max) {
        pidfd::memlock(caller.pid, Some(new)).map_err(failed)?;
        failpoint!("raised");
        if let Err(failure) = check(process, caller) {
            if pidfd::alive(process) {
                pidfd::memlock(caller.pid, Some(old)).map_err(failed)?;
            }
            return Err(failure);
        }
    }
    Ok(new.rlim_cur)
}

/// Returns the process that connected. Before Linux 6.5 only its number is known.
fn process(connection: impl AsFd, caller: &Caller) -> Result<OwnedFd, Failure> {
    let found = pidfd::of_peer(connection.as_fd());
    let found = found.and_then(|process| process.map_or_else(|| pidfd::open(caller.pid), Ok));
    found.map_err(|error| Failure::sys("finding the process that asked", error))
}

/// The process has to be there, and all of its uids the user's: it may have executed a setuid
/// program since it asked.
fn check(process: &OwnedFd, caller: &Caller) -> Result<(), Failure> {
    let failed = |error| Failure::sys("finding the owner of the process that asked", error);
    let status = std::fs::read_to_string(format!("/proc/{}/status", caller.pid));
    if !pidfd::alive(process) {
        return Err(Failure::sys("raising RLIMIT_MEMLOCK", "the process that asked is gone"));
    }
    if is_all(&status.map_err(failed)?, caller.uid) {
        Ok(())
    } else {
        Err(Failure::sys("raising RLIMIT_MEMLOCK", "the process that asked is another user's now"))
    }
}

/// Returns whether the real, effective, saved and file system uid of a process are this one.
fn is_all(status: &str, uid: u32) -> bool {
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let uids: Vec<_> = uids.split_whitespace().map(str::parse).collect();
    uids.len() == 4 && uids.iter().all(|found| *found == Ok(uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_foreign_uid_makes_a_process_foreign() {
        let status = |uids: &str| format!("Name:\tx\nUid:\t{uids}\nGid:\t0\t0\t0\t0\n");
        assert!(is_all(&status("1000\t1000\t1000\t1000"), 1000));
        for uids in ["1000\t0\t0\t0", "1000\t1000\t0\t1000", "0\t0\t0\t0", "1000", "", "x x x x"] {
            assert!(!is_all(&status(uids), 1000), "{uids}");
        }
        assert!(!is_all("", 1000));
    }
}
