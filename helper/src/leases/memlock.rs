// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much memory the consumers of a user's leases have declared that they will lock: the length
//! of a lock, in MiB, so that the sum is right whichever process was killed. The kernel charges
//! locked memory to the user, over all of the user's processes, while the limit is each process's
//! own.
//!
//! One file a user; byte `slot << 16`. Which slot it is means nothing.

use std::fs::File;
use std::io;

use super::lock_file;
use crate::sys::locks;

/// The folder of the files.
pub(crate) const MEMLOCK: &str = "memlock";

const SLOT: u64 = 1 << 16;
const SLOTS: u64 = 1 << 15;
const MIB: u64 = 1 << 20;

/// What one lease has declared, as long as it is held.
#[derive(Debug)]
pub(crate) struct Declaration {
    _file: File,
}

impl Declaration {
    /// Declares `bytes` for `uid`; returns what all leases of the user now come to.
    pub(crate) fn new(uid: u32, bytes: u64) -> io::Result<(Self, u64)> {
        let mib = bytes.div_ceil(MIB).clamp(1, SLOT - 1);
        let taken = lock_file::take((MEMLOCK, &uid.to_string()), |file| take(file, mib))?;
        let (file, leased) = taken.ok_or_else(|| io::Error::other("every slot is taken"))?;
        Ok((Self { _file: file }, leased * MIB))
    }
}

/// A process does not see its own locks.
fn take(file: &File, mib: u64) -> io::Result<Option<u64>> {
    let start = u64::from(std::process::id()) % SLOTS;
    for slot in (start..SLOTS).chain(0..start) {
        if locks::try_lock(file, slot * SLOT, mib)? {
            let others = locks::holders(file, 0, SLOTS * SLOT)?;
            return Ok(Some(others.iter().map(|held| held.len).sum::<u64>() + mib));
        }
    }
    Ok(None)
}
