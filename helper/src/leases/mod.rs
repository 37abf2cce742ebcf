// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lease table, which is the kernel's: a lease is a lock that a living process holds. The files have no
//! bytes, and lie in a folder that only the service user can enter ([`lock_file`]); the texts beside them
//! ([`record`]) are for people and decide nothing.

pub(crate) mod key;
pub(crate) mod lock_file;
pub(crate) mod memlock;
pub(crate) mod quota;
pub(crate) mod record;
pub(crate) mod table;

use std::fs::File;
use std::io;
use std::path::Path;

use crate::paths;

/// Opens a lock file of the whole machine's, which is never removed.
pub(crate) fn open_lock_file(name: &str) -> io::Result<File> {
    lock_file::open(&Path::new(paths::LEASES).join(name))
}
