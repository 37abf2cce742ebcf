// SPDX-License-Identifier: MIT OR Apache-2.0
//! The XSKMAP: queue number to socket. The kernel clears a slot with the last reference to its
//! socket.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::error::At;
use crate::{Error, Step, sys};

const BPF_NOEXIST: u64 = 1;
const ENOENT: i32 = 2;

/// The map from queue to socket.
#[derive(Debug)]
pub struct XskMap(OwnedFd);

impl XskMap {
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Puts a socket into the slot of `queue`, which has to be empty. Atomic in the kernel.
    ///
    /// # Errors
    /// [`Step::Insert`]: EEXIST for an occupied slot, E2BIG for a queue beyond the map.
    pub fn insert(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        let (key, value) = (queue.to_ne_bytes(), socket.as_raw_fd().to_ne_bytes());
        sys::map_update(self.0.as_fd(), &key, &value, BPF_NOEXIST).at(Step::Insert)
    }

    /// Empties the slot of `queue`; an empty one is no error.
    ///
    /// # Errors
    /// [`Step::Remove`].
    pub fn remove(&self, queue: u32) -> Result<(), Error> {
        match sys::map_delete(self.0.as_fd(), &queue.to_ne_bytes()).at(Step::Remove) {
            Err(error) if error.errno == ENOENT => Ok(()),
            result => result,
        }
    }

    /// Returns whether this process may change the map, as it is now: before Linux 5.19 that takes
    /// a capability. Changes nothing.
    #[must_use]
    pub fn is_changeable(&self) -> bool {
        // A slot that no map has.
        let tried = sys::map_delete(self.0.as_fd(), &u32::MAX.to_ne_bytes());
        tried.is_err_and(|error| error.raw_os_error() != Some(libc::EPERM))
    }

    /// How many slots the map has.
    ///
    /// # Errors
    /// [`Step::Info`].
    pub fn capacity(&self) -> Result<u32, Error> {
        sys::map_max_entries(self.0.as_fd()).at(Step::Info)
    }
}

impl AsFd for XskMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
