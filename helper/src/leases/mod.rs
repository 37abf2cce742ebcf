// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lease table, which is the kernel's: a lease is a lock that a living process holds. The files
//! have no bytes, and lie in a folder that only the service user can enter ([`lock_file`]); the
//! texts beside them ([`record`]) are for people and decide nothing.

pub(crate) mod key;
pub(crate) mod lock_file;
pub(crate) mod memlock;
pub(crate) mod pins;
pub(crate) mod quota;
pub(crate) mod record;
pub(crate) mod table;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::paths;
use key::Key;

/// Opens a lock file of the whole machine's, which is never removed.
pub(crate) fn open_lock_file(name: &str) -> io::Result<File> {
    lock_file::open(&Path::new(paths::LEASES).join(name))
}

/// Returns every interface that has lock files or pins.
pub(crate) fn interfaces() -> Vec<Key> {
    let entries = std::fs::read_dir(paths::LEASES).into_iter().flatten().flatten();
    let locked = entries.filter_map(|entry| Key::parse(entry.file_name().to_str()?));
    let found: HashSet<Key> = locked.chain(pins::all()).collect();
    let mut keys: Vec<Key> = found.into_iter().collect();
    keys.sort_by_key(|key| (key.netns.cookie(), key.ifindex));
    keys
}
