// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lock files. Each user and each queue has its own, so a keeper, which keeps the descriptors
//! of the files that it has locked, has none by which it could lock another user's place or queue.
//!
//! A file without a lock means nothing, and `reap` removes it. It locks the whole file first, so it
//! never removes one with a lock. A process that had opened the file before then holds a lock that
//! no other process sees, notices that, and starts over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::paths;
use crate::sys::locks;

/// The last byte of any file: only what locks all of it locks this one.
const LAST: u64 = i64::MAX as u64;
/// How long a removal may be in the way. It takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);

/// Where the files of a kind lie.
pub(crate) fn folder(kind: &str) -> PathBuf {
    Path::new(paths::LEASES).join(kind)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Follows no link, because root opens such files too.
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

/// Opens the lock file of this name. A process opens each of them once: closing one descriptor
/// drops all its locks.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options().create(true).truncate(false).open(path)
}

/// Opens one in its folder. Makes the folder if it is missing; it may be removed in between.
pub(crate) fn open_in(kind: &str, name: &str) -> io::Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        make_folder(kind)?;
        match open(&folder(kind).join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < deadline => {}
            opened => return opened,
        }
    }
}

/// Makes the folder of a kind.
pub(crate) fn make_folder(kind: &str) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder(kind)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Returns whether it is the file that others find under its name.
pub(crate) fn is_linked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

/// Takes a lock in the file that others find, and returns both; none if `lock` finds no room.
pub(crate) fn take<T>(
    (kind, name): (&str, &str),
    lock: impl Fn(&File) -> io::Result<Option<T>>,
) -> io::Result<Option<(File, T)>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let file = open_in(kind, name)?;
        let taken = lock(&file)?;
        let removed =
            !is_linked(&file)? || (taken.is_none() && locks::holder(&file, LAST, 1)?.is_some());
        if !removed || Instant::now() >= deadline {
            return Ok(taken.filter(|_| !removed).map(|taken| (file, taken)));
        }
        drop(file);
        sleep(STEP);
    }
}

/// Removes a file in which nobody has a lock, but for this process itself.
pub(crate) fn remove_unlocked(path: &Path, file: &File) -> io::Result<bool> {
    let unused = locks::try_lock(file, 0, 0)? && is_linked(file)?;
    if unused {
        fs::remove_file(path)?;
    }
    Ok(unused)
}

/// The same for one that this process has not open.
pub(crate) fn remove_unused(path: &Path) -> io::Result<bool> {
    remove_unlocked(path, &options().open(path)?)
}
