// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many connections and leases a user has: locks too, so that the count is right whatever died.
//!
//! One file for all users; byte `kind << 60 | uid << 16 | slot`. Which slot is of no meaning.

use std::fs::File;
use std::io;

use crate::sys::locks;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connection,
    Lease,
}

/// The most slots that one user can have of a kind.
pub(crate) const MOST: u32 = 1 << 16;

/// The lock file of all users' limits.
#[derive(Debug)]
pub(crate) struct Limits {
    file: File,
}

impl Limits {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { file: super::open_lock_file("users")? })
    }

    /// Takes one of `most` slots, or says that all are taken. The slot goes with the process.
    pub(crate) fn take(&self, kind: Kind, uid: u32, most: u32) -> io::Result<Option<Slot>> {
        let most = most.min(MOST);
        let Some(slot) = self.take_below(kind, uid, most)? else { return Ok(None) };
        if self.is_beyond(kind, uid, most)? {
            self.give_back(slot);
            return Ok(None);
        }
        Ok(Some(slot))
    }

    /// The search starts at a slot of the process's own, so that it does not walk over all the slots taken before.
    fn take_below(&self, kind: Kind, uid: u32, most: u32) -> io::Result<Option<Slot>> {
        let start = if most == 0 { 0 } else { std::process::id() % most };
        for slot in (start..most).chain(0..start) {
            let at = offset(kind, uid) | u64::from(slot);
            if locks::try_lock(&self.file, at, 1)? {
                return Ok(Some(Slot(at)));
            }
        }
        Ok(None)
    }

    /// Whether there is no room with this process's slot: others may have been taken under a higher limit, of another
    /// rule or of before, and then all are counted.
    fn is_beyond(&self, kind: Kind, uid: u32, most: u32) -> io::Result<bool> {
        let first = offset(kind, uid);
        let above = first + u64::from(most);
        let end = first + u64::from(MOST);
        if above == end || locks::holder(&self.file, above, end - above)?.is_none() {
            return Ok(false);
        }
        Ok(locks::holders(&self.file, first, end)?.len() >= most as usize)
    }

    /// Gives a slot back before the process ends.
    pub(crate) fn give_back(&self, slot: Slot) {
        // Should it fail, the slot is free again when the connection ends.
        let _ = locks::unlock(&self.file, slot.0, 1);
    }
}

/// A slot that was taken.
#[derive(Debug)]
#[must_use]
pub(crate) struct Slot(u64);

fn offset(kind: Kind, uid: u32) -> u64 {
    let kind = match kind {
        Kind::Connection => 0,
        Kind::Lease => 1u64 << 60,
    };
    kind | (u64::from(uid) << 16)
}
