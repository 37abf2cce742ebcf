// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much memory the consumers of a user's leases have declared that they will lock: the length of a lock,
//! in MiB, so that the sum is right whatever died. The kernel charges locked memory to the user, over all his
//! processes, while the limit is each process's own.
//!
//! One file for all users; byte `uid << 31 | slot << 16`. Which slot is of no meaning.

use std::fs::File;
use std::io;

use crate::sys::locks;

const SLOT: u64 = 1 << 16;
const USER: u64 = 1 << 31;
const SLOTS: u64 = USER / SLOT;
const MIB: u64 = 1 << 20;

/// The lock file of all declarations.
#[derive(Debug)]
pub(crate) struct Declarations {
    file: File,
}

impl Declarations {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { file: super::open_lock_file("memlock")? })
    }

    /// Declares `bytes` for `uid` until the process ends; returns what all his leases now come to.
    pub(crate) fn declare(&self, uid: u32, bytes: u64) -> io::Result<u64> {
        let base = u64::from(uid) * USER;
        let mib = bytes.div_ceil(MIB).clamp(1, SLOT - 1);
        let start = u64::from(std::process::id()) % SLOTS;
        for slot in (start..SLOTS).chain(0..start) {
            if locks::try_lock(&self.file, base + slot * SLOT, mib)? {
                return Ok((self.of_others(base)? + mib) * MIB);
            }
        }
        Err(io::Error::other("every slot is taken"))
    }

    /// In MiB; a process does not see its own locks.
    fn of_others(&self, base: u64) -> io::Result<u64> {
        let held = locks::holders(&self.file, base, base + USER)?;
        Ok(held.iter().map(|held| held.len).sum())
    }
}
