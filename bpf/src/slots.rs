// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which slots of an XSKMAP are occupied. The system call cannot look them up; a program run by
//! BPF_PROG_TEST_RUN can, changes nothing, and from Linux 6.1 on needs no capability.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::At;
use crate::{Error, Step, XskMap, sys};

/// How many slots one run of the program looks at (`SLOTS` of xsk.bpf.c).
const AT_ONCE: u32 = 8;
/// XDP_PASS (include/uapi/linux/bpf.h): the program looked.
const LOOKED: u32 = 2;
const EINVAL: i32 = 22;

/// The loaded program that reads the slots of one map.
#[derive(Debug)]
pub struct SlotProbe(OwnedFd);

impl SlotProbe {
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The occupied slots among the first `capacity`, in order.
    ///
    /// # Errors
    /// [`Step::Slots`]; before Linux 6.1 EPERM without a capability.
    pub fn occupied(&self, capacity: u32) -> Result<Vec<u32>, Error> {
        let mut slots = Vec::new();
        for first in (0..capacity).step_by(AT_ONCE as usize) {
            let bits = self.look(first)?;
            slots.extend((0..AT_ONCE).filter(|bit| bits >> bit & 1 == 1).map(|bit| first + bit));
        }
        Ok(slots)
    }

    /// The occupied slots of `map`.
    ///
    /// # Errors
    /// As [`Self::occupied`], and [`Step::Info`].
    pub fn occupied_of(&self, map: &XskMap) -> Result<Vec<u32>, Error> {
        self.occupied(map.capacity()?)
    }

    /// The layout is `struct slots` of xsk.bpf.c.
    fn look(&self, first: u32) -> Result<u64, Error> {
        let mut data = [0u8; 16];
        data[..4].copy_from_slice(&first.to_ne_bytes());
        let verdict = sys::test_run(self.0.as_fd(), &mut data).at(Step::Slots)?;
        if verdict != LOOKED {
            return Err(Error { step: Step::Slots, errno: EINVAL });
        }
        let mut occupied = [0u8; 8];
        occupied.copy_from_slice(&data[8..]);
        Ok(u64::from_ne_bytes(occupied))
    }
}

impl AsFd for SlotProbe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
