// SPDX-License-Identifier: MIT OR Apache-2.0
//! The locks of one interface. One file; the byte says what is locked: byte 0 the interface itself, byte `uid + 1` that
//! the uid has leases and shares the interface with nobody, and byte `(queue + 1) << 32 | uid` a queue held by that uid.
//! So the kernel answers who holds a queue, by uid from the byte and by process from F_GETLK, and there is no text to
//! trust.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use super::key::Key;
use crate::sys::locks::{self, Held};

/// How long anybody waits for the interface's lock.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

const INTERFACE: u64 = 0;
const ALONE: u64 = 1;
const QUEUE: u64 = 1 << 32;
/// Beyond the last queue: a queue number has 30 bits.
const END: u64 = QUEUE << 30;

/// A held queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) queue: u32,
    pub(crate) uid: u32,
    /// The keeper, 0 where it is outside of our process-id namespace.
    pub(crate) pid: u32,
}

impl From<Held> for Holder {
    fn from(held: Held) -> Self {
        Self { queue: (held.start / QUEUE).saturating_sub(1) as u32, uid: held.start as u32, pid: held.pid }
    }
}

/// The lock file of one interface.
#[derive(Debug)]
pub(crate) struct Table {
    file: File,
}

impl Table {
    pub(crate) fn open(key: Key) -> io::Result<Self> {
        Ok(Self { file: super::open_lock_file(&key.to_string())? })
    }

    /// Takes the lock under which an interface's program, pins and slots change. Waits for [`PATIENCE`] at the
    /// most, then says who has it.
    pub(crate) fn lock_interface(&self) -> io::Result<Result<(), u32>> {
        if locks::lock_within(&self.file, INTERFACE, 1, PATIENCE)? {
            return Ok(Ok(()));
        }
        Ok(Err(locks::holder(&self.file, INTERFACE, 1)?.map_or(0, |held| held.pid)))
    }

    /// Takes it if nobody has it.
    pub(crate) fn try_lock_interface(&self) -> io::Result<bool> {
        locks::try_lock(&self.file, INTERFACE, 1)
    }

    /// Gives the interface's lock back.
    pub(crate) fn unlock_interface(&self) {
        // Should it fail, the process still ends soon after, and the lock with it.
        let _ = locks::unlock(&self.file, INTERFACE, 1);
    }

    /// Says until when the program may stay on an interface that nobody uses: the file's time of modification.
    pub(crate) fn set_linger(&self, linger: Duration) -> io::Result<()> {
        self.file.set_modified(SystemTime::now() + linger)
    }

    /// Whether the program may stay although nobody uses the interface.
    pub(crate) fn lingers(&self) -> bool {
        self.file.metadata().and_then(|found| found.modified()).is_ok_and(|until| until > SystemTime::now())
    }

    /// Takes a queue for `uid`. The interface's lock is held, so between the question and the lock nobody comes.
    pub(crate) fn take(&self, queue: u32, uid: u32) -> io::Result<Result<(), Holder>> {
        if let Some(held) = locks::holder(&self.file, range(queue), QUEUE)? {
            return Ok(Err(held.into()));
        }
        if locks::try_lock(&self.file, range(queue) | u64::from(uid), 1)? {
            Ok(Ok(()))
        } else {
            Ok(Err(Holder { queue, uid, pid: 0 }))
        }
    }

    /// Gives a queue back.
    pub(crate) fn give_back(&self, queue: u32, uid: u32) -> io::Result<()> {
        locks::unlock(&self.file, range(queue) | u64::from(uid), 1)
    }

    /// Another uid than this one that shares the interface with nobody.
    pub(crate) fn alone(&self, uid: u32) -> io::Result<Option<u32>> {
        let marks = locks::holders(&self.file, ALONE, QUEUE)?;
        Ok(marks.into_iter().map(|held| (held.start - ALONE) as u32).find(|other| *other != uid))
    }

    /// Says that the uid shares the interface with nobody; several of its leases may.
    pub(crate) fn stay_alone(&self, uid: u32) -> io::Result<bool> {
        locks::try_share(&self.file, alone(uid), 1)
    }

    /// Takes that back.
    pub(crate) fn share(&self, uid: u32) -> io::Result<()> {
        locks::unlock(&self.file, alone(uid), 1)
    }

    /// Every queue that another process holds, in order.
    pub(crate) fn holders(&self) -> io::Result<Vec<Holder>> {
        let mut found: Vec<Holder> =
            locks::holders(&self.file, QUEUE, END)?.into_iter().map(Holder::from).collect();
        found.sort_by_key(|holder| holder.queue);
        Ok(found)
    }
}

/// No process has the uid 4294967295, so this is never a queue's.
fn alone(uid: u32) -> u64 {
    ALONE + u64::from(uid)
}

fn range(queue: u32) -> u64 {
    (u64::from(queue) + 1) * QUEUE
}
