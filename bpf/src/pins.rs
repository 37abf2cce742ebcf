// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where an interface's objects are pinned: one folder, one name each. The link comes last and goes first, so
//! a folder without a link is residue, whoever was killed when.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::error::At;
use crate::{Error, Step, sys};

/// The objects of one interface, by the name of their pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin {
    Map,
    Program,
    Slots,
    Link,
}

impl Pin {
    /// Every pin, in the order in which they are removed.
    pub(crate) const REMOVAL: [Pin; 4] = [Pin::Link, Pin::Slots, Pin::Program, Pin::Map];

    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Pin::Map => "map",
            Pin::Program => "program",
            Pin::Slots => "slots",
            Pin::Link => "link",
        })
    }

    pub(crate) fn make(self, dir: &Path, object: BorrowedFd<'_>) -> Result<(), Error> {
        sys::pin(object, &self.path(dir)).at(Step::Pin)
    }

    pub(crate) fn remove(self, dir: &Path) -> Result<(), Error> {
        ignore_missing(std::fs::remove_file(self.path(dir))).at(Step::Unpin)
    }
}

/// Removes the folder itself; it has to be empty.
pub(crate) fn remove_folder(dir: &Path) -> Result<(), Error> {
    ignore_missing(std::fs::remove_dir(dir)).at(Step::Unpin)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether `path` is on a bpffs.
///
/// # Errors
/// The error of statfs(2).
pub fn is_bpffs(path: &Path) -> io::Result<bool> {
    sys::on_bpffs(path)
}
