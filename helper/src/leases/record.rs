// SPDX-License-Identifier: MIT OR Apache-2.0
//! The text beside a lease's locks: what a person wants to know and the kernel cannot tell. It decides
//! nothing, and it is shown only while the process that wrote it holds the queues it names.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::paths;

/// What is told of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) lease: u64,
    pub(crate) uid: u32,
    pub(crate) client: u32,
    pub(crate) keeper: u32,
    pub(crate) first_queue: u32,
    pub(crate) queues: u32,
    /// CLOCK_BOOTTIME in seconds at the grant.
    pub(crate) since: u64,
    pub(crate) rule: String,
    pub(crate) device: bool,
    pub(crate) queue: bool,
    /// Bytes of locked memory that the consumer declared.
    pub(crate) memlock: u64,
}

fn path(key: Key, first_queue: u32) -> PathBuf {
    Path::new(paths::LEASES).join(format!("{key}-q{first_queue}.toml"))
}

impl Record {
    /// Writes the text.
    pub(crate) fn write(&self, key: Key) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        fs::write(path(key, self.first_queue), text)
    }

    /// Reads what the holder of the lease that begins at a queue has written, if he has.
    pub(crate) fn read(key: Key, first_queue: u32) -> Option<Self> {
        toml::from_str(&fs::read_to_string(path(key, first_queue)).ok()?).ok()
    }

    /// Removes the text; one that is not there is no error.
    pub(crate) fn remove(key: Key, first_queue: u32) -> io::Result<()> {
        match fs::remove_file(path(key, first_queue)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
