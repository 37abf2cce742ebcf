// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lease table, which is the kernel's: a lease is a lock that a living process holds. The files have no
//! bytes, are never removed, and lie in a folder that only the service user can enter; the texts beside them
//! ([`record`]) are for people and decide nothing.

pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod memlock;
pub(crate) mod record;
pub(crate) mod table;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::paths;

/// Opens a lock file, through no link: root opens one too. A process opens each of them once: closing one descriptor drops
/// all its locks.
pub(crate) fn open_lock_file(name: &str) -> io::Result<File> {
    let path = Path::new(paths::LEASES).join(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}
