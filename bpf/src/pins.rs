// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the objects of an interface, and of the bind guard, are pinned: one folder, one name each.
//! The link is pinned last and removed first, so a folder without a link is residue, whenever a
//! process was killed.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
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

    const fn name(self) -> &'static str {
        match self {
            Pin::Map => "map",
            Pin::Program => "program",
            Pin::Slots => "slots",
            Pin::Link => "link",
        }
    }

    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(self.name())
    }

    pub(crate) fn make(self, dir: &Path, object: BorrowedFd<'_>) -> Result<(), Error> {
        pin(object, &self.path(dir))
    }

    pub(crate) fn remove(self, dir: &Path) -> Result<(), Error> {
        unpin(&self.path(dir))
    }
}

/// The objects of the bind guard, by the name of their pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuardPin {
    Stamps,
    Leases,
    Link,
}

impl GuardPin {
    /// Every pin, in the order in which they are removed.
    pub(crate) const REMOVAL: [GuardPin; 3] = [GuardPin::Link, GuardPin::Leases, GuardPin::Stamps];

    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            GuardPin::Stamps => "storage",
            GuardPin::Leases => "leases",
            GuardPin::Link => "link",
        })
    }

    pub(crate) fn make(self, dir: &Path, object: BorrowedFd<'_>) -> Result<(), Error> {
        pin(object, &self.path(dir))
    }

    pub(crate) fn remove(self, dir: &Path) -> Result<(), Error> {
        unpin(&self.path(dir))
    }
}

/// The folder of one interface's pins, held open: it stays the same one, whatever has its name
/// later. Its pins can be removed by a process that may open nothing any more.
#[derive(Debug)]
pub struct PinFolder {
    dir: OwnedFd,
    path: PathBuf,
}

impl PinFolder {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`Step::OpenPin`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let dir = OpenOptions::new().read(true).custom_flags(flags).open(path).at(Step::OpenPin)?;
        Ok(Self { dir: dir.into(), path: path.to_owned() })
    }

    /// Removes the pins and the folder, the link first. Where its link is not there, somebody else
    /// has removed it, and what has its name now is left alone.
    ///
    /// # Errors
    /// [`Step::Unpin`], the first one; what comes after it is tried all the same.
    pub fn unpin(&self) -> Result<(), Error> {
        let mut first = Ok(());
        for pin in Pin::REMOVAL {
            match sys::unlink_in(self.dir.as_fd(), pin.name()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && pin == Pin::Link => {
                    return Ok(());
                }
                removed => first = first.and(ignore_missing(removed).at(Step::Unpin)),
            }
        }
        first.and(ignore_missing(sys::remove_folder(&self.path)).at(Step::Unpin))
    }
}

impl AsFd for PinFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

fn pin(object: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    sys::pin(object, path).at(Step::Pin)
}

fn unpin(path: &Path) -> Result<(), Error> {
    ignore_missing(std::fs::remove_file(path)).at(Step::Unpin)
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

/// Returns whether `path` is on a bpffs.
///
/// # Errors
/// The error of statfs(2).
pub fn is_bpffs(path: &Path) -> io::Result<bool> {
    sys::on_bpffs(path)
}
