// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many connections and leases a user has: counted by locks, so that the count is right
//! whichever process was killed.
//!
//! One file a user; byte `kind << 32 | slot`. Which slot it is means nothing.

use std::fs::File;
use std::io;

use super::lock_file;
use crate::sys::locks;

/// The folder of the files.
pub(crate) const USERS: &str = "users";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connection,
    Lease,
}

/// The most slots that one user can have of a kind.
pub(crate) const MOST: u32 = 1 << 16;

/// The lock file of one user's limits, with a slot of a connection taken. That goes with the
/// process.
#[derive(Debug)]
pub(crate) struct Quota {
    file: File,
}

impl Quota {
    /// Counts a connection of this user, or says that there are `most` already.
    pub(crate) fn enter(uid: u32, most: u32) -> io::Result<Option<Self>> {
        let taken = lock_file::take((USERS, &uid.to_string()), |file| {
            take(file, Kind::Connection, most.min(MOST))
        })?;
        Ok(taken.map(|(file, _)| Self { file }))
    }

    /// Takes one of `most` slots, or says that all are taken. The slot goes with the process.
    pub(crate) fn take(&self, kind: Kind, most: u32) -> io::Result<Option<QuotaSlot>> {
        take(&self.file, kind, most.min(MOST))
    }

    /// Gives a slot back before the process ends.
    pub(crate) fn give_back(&self, slot: QuotaSlot) {
        give_back(&self.file, slot);
    }
}

fn give_back(file: &File, slot: QuotaSlot) {
    // Should it fail, the slot is free again when the connection ends.
    let _ = locks::unlock(file, slot.0, 1);
}

fn take(file: &File, kind: Kind, most: u32) -> io::Result<Option<QuotaSlot>> {
    let Some(slot) = take_below(file, kind, most)? else { return Ok(None) };
    if is_beyond(file, kind, most)? {
        give_back(file, slot);
        return Ok(None);
    }
    Ok(Some(slot))
}

/// The search starts at a slot of the process's own, so that it does not walk over all the slots
/// taken before.
fn take_below(file: &File, kind: Kind, most: u32) -> io::Result<Option<QuotaSlot>> {
    let start = if most == 0 { 0 } else { std::process::id() % most };
    for slot in (start..most).chain(0..start) {
        let at = offset(kind) | u64::from(slot);
        if locks::try_lock(file, at, 1)? {
            return Ok(Some(QuotaSlot(at)));
        }
    }
    Ok(None)
}

/// Returns whether there is no room with this process's slot: others may have been taken under a
/// higher limit, of another rule or of before, and then all are counted.
fn is_beyond(file: &File, kind: Kind, most: u32) -> io::Result<bool> {
    let first = offset(kind);
    let above = first + u64::from(most);
    let end = first + u64::from(MOST);
    if above == end || locks::holder(file, above, end - above)?.is_none() {
        return Ok(false);
    }
    Ok(locks::holders(file, first, end)?.len() >= most as usize)
}

/// A slot that was taken.
#[derive(Debug)]
#[must_use]
pub(crate) struct QuotaSlot(u64);

fn offset(kind: Kind) -> u64 {
    match kind {
        Kind::Connection => 0,
        Kind::Lease => 1 << 32,
    }
}
