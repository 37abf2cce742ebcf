// SPDX-License-Identifier: MIT OR Apache-2.0
//! The locks of one interface, in a folder of its own.
//!
//! * `lock`: byte 0 is the interface itself, and byte `program + 1` says that a lease uses that
//!   program, or has it linger; any number of leases do. All keepers of the interface have this
//!   file open. It decides who may change the program, the pins and the slots, and when the program
//!   goes; never who has a queue.
//! * `q<queue>`: byte `uid` is the queue, held by that uid, and byte `1 << 32 | uid` says that the
//!   uid does not share the interface. So the kernel answers who holds a queue, by uid from the
//!   byte and by process from F_GETLK, and there is no text to trust.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::key::Key;
use super::lock_file;
use crate::sys::locks;

/// How long a process waits for the interface's lock.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

const LOCK: &str = "lock";
const INTERFACE: u64 = 0;
const PROGRAM: u64 = 1;
const ALONE: u64 = 1 << 32;
/// Beyond the last byte of a queue's file.
const END: u64 = ALONE << 1;

/// A held queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) queue: u32,
    pub(crate) uid: u32,
    /// The keeper, 0 where it is outside of our process-id namespace.
    pub(crate) pid: u32,
}

/// What came of the try to take an interface's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockAttempt {
    Locked,
    /// Another process held it all the while.
    HeldBy {
        pid: u32,
    },
}

/// What came of the try to take a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueAttempt {
    Taken,
    HeldBy(Holder),
}

/// The lock files of one interface.
#[derive(Debug)]
pub(crate) struct Table {
    key: Key,
    lock: RefCell<File>,
    /// The files of the queues that this process holds.
    held: BTreeMap<u32, File>,
    /// The program that this process has said it uses.
    program: Option<u32>,
}

impl Table {
    pub(crate) fn open(key: Key) -> io::Result<Self> {
        let lock = RefCell::new(open_lock(key)?);
        Ok(Self { key, lock, held: BTreeMap::new(), program: None })
    }

    /// Takes the lock under which an interface's program, pins and slots change. Waits for
    /// [`PATIENCE`] at the most, then says who has it.
    pub(crate) fn lock_interface(&self) -> io::Result<LockAttempt> {
        loop {
            if !locks::lock_within(&self.lock.borrow(), INTERFACE, 1, PATIENCE)? {
                let holder = locks::holder(&self.lock.borrow(), INTERFACE, 1)?;
                return Ok(LockAttempt::HeldBy { pid: holder.map_or(0, |held| held.pid) });
            }
            if self.is_current()? {
                return Ok(LockAttempt::Locked);
            }
        }
    }

    /// Takes it if no other process has it.
    pub(crate) fn try_lock_interface(&self) -> io::Result<bool> {
        Ok(locks::try_lock(&self.lock.borrow(), INTERFACE, 1)? && self.is_current()?)
    }

    /// Returns whether the lock is in the file that others find; if not, that one is opened. While
    /// this process has a lock there, no process removes the file, and a keeper could not ask.
    fn is_current(&self) -> io::Result<bool> {
        if !self.held.is_empty()
            || self.program.is_some()
            || lock_file::is_linked(&self.lock.borrow())?
        {
            return Ok(true);
        }
        self.lock.replace(open_lock(self.key)?);
        Ok(false)
    }

    /// Gives the interface's lock back.
    pub(crate) fn unlock_interface(&self) {
        // Should it fail, the process still ends soon after, and the lock with it.
        let _ = locks::unlock(&self.lock.borrow(), INTERFACE, 1);
    }

    /// Says that this process uses a program. While it does, no other keeper takes that off.
    pub(crate) fn use_program(&mut self, id: u32) -> io::Result<()> {
        if !locks::try_share(&self.lock.borrow(), program(id), 1)? {
            return Err(io::Error::other(
                "a process has locked what belongs to all leases of the interface",
            ));
        }
        self.program = Some(id);
        Ok(())
    }

    /// Returns whether another process uses the program.
    pub(crate) fn is_used(&self, id: u32) -> io::Result<bool> {
        Ok(locks::holder(&self.lock.borrow(), program(id), 1)?.is_some())
    }

    /// Returns whether another process uses any program of the interface.
    pub(crate) fn is_any_used(&self) -> io::Result<bool> {
        Ok(locks::holder(&self.lock.borrow(), PROGRAM, u64::from(u32::MAX))?.is_some())
    }

    /// This process uses none any more.
    pub(crate) fn leave_program(&mut self) {
        if let Some(id) = self.program.take() {
            let _ = locks::unlock(&self.lock.borrow(), program(id), 1);
        }
    }

    /// Takes a queue for `uid`. The interface's lock is held, so no other process takes it between
    /// the question and the lock.
    pub(crate) fn take(&mut self, queue: u32, uid: u32) -> io::Result<QueueAttempt> {
        let file = lock_file::open_in(&self.key.to_string(), &queue_name(queue))?;
        if let Some(holder) = holder(queue, &file)? {
            return Ok(QueueAttempt::HeldBy(holder));
        }
        if !locks::try_lock(&file, u64::from(uid), 1)? {
            return Ok(QueueAttempt::HeldBy(Holder { queue, uid, pid: 0 }));
        }
        self.held.insert(queue, file);
        Ok(QueueAttempt::Taken)
    }

    /// Gives all queues back.
    pub(crate) fn give_back(&mut self) {
        self.held.clear();
    }

    /// Returns another uid that does not share the interface.
    pub(crate) fn alone(&self, uid: u32) -> io::Result<Option<u32>> {
        for (_, file) in self.others()? {
            let mark = locks::holder(&file, ALONE, END - ALONE)?;
            if let Some(other) = mark.map(|held| held.start as u32).filter(|other| *other != uid) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Marks the queues of this process: the uid does not share the interface.
    pub(crate) fn stay_alone(&self, uid: u32) -> io::Result<()> {
        let mark = |file| locks::try_lock(file, ALONE | u64::from(uid), 1).map(drop);
        self.held.values().try_for_each(mark)
    }

    /// Every queue that another process holds, in order.
    pub(crate) fn holders(&self) -> io::Result<Vec<Holder>> {
        holders_in(&self.others()?)
    }

    /// The files of all queues but those of this process, which it must not open twice.
    fn others(&self) -> io::Result<Vec<(u32, File)>> {
        open_files(self.key, |queue| !self.held.contains_key(&queue))
    }

    /// Removes the files of an interface whose lock this process has, unless another process has a
    /// lock there.
    pub(crate) fn remove(self) -> io::Result<bool> {
        let folder = lock_file::folder(&self.key.to_string());
        if !self.holders()?.is_empty() || !locks::try_lock(&self.lock.borrow(), INTERFACE, 0)? {
            return Ok(false);
        }
        for (_, path) in files(self.key)? {
            lock_file::remove_unused(&path)?;
        }
        let removed = lock_file::remove_unlocked(&folder.join(LOCK), &self.lock.borrow())?;
        // Another process may have made new files by now.
        let _ = fs::remove_dir(folder);
        Ok(removed)
    }
}

/// Every queue of an interface that a process holds, in order, for one that holds none itself.
pub(crate) fn holders(key: Key) -> io::Result<Vec<Holder>> {
    holders_in(&open_files(key, |_| true)?)
}

fn holders_in(files: &[(u32, File)]) -> io::Result<Vec<Holder>> {
    files.iter().filter_map(|(queue, file)| holder(*queue, file).transpose()).collect()
}

/// The files of these queues; nobody holds one whose file is removed meanwhile.
fn open_files(key: Key, wanted: impl Fn(u32) -> bool) -> io::Result<Vec<(u32, File)>> {
    let mut found = Vec::new();
    for (queue, path) in files(key)?.into_iter().filter(|(queue, _)| wanted(*queue)) {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => found.push((queue, file?)),
        }
    }
    Ok(found)
}

fn open_lock(key: Key) -> io::Result<File> {
    lock_file::open_in(&key.to_string(), LOCK)
}

fn queue_name(queue: u32) -> String {
    format!("q{queue}")
}

/// The files of an interface's queues, in order.
fn files(key: Key) -> io::Result<Vec<(u32, PathBuf)>> {
    let entries = match fs::read_dir(lock_file::folder(&key.to_string())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let queue = |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_prefix('q')?.parse().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((queue(&entry)?, entry.path()))).collect();
    found.sort_unstable();
    Ok(found)
}

fn holder(queue: u32, file: &File) -> io::Result<Option<Holder>> {
    let held = locks::holder(file, 0, END)?;
    Ok(held.map(|held| Holder { queue, uid: held.start as u32, pid: held.pid }))
}

fn program(id: u32) -> u64 {
    PROGRAM + u64::from(id)
}
