// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which slots of an XSKMAP are occupied. The system call cannot look them up; a program run by
//! BPF_PROG_TEST_RUN can, changes nothing, and from Linux 6.1 on needs no capability.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::At;
use crate::{Error, Step, XskMap, sys};

/// How many slots one run of the program looks at (`SLOTS` of xsk.bpf.c).
const AT_ONCE: usize = 8;
/// The program looked (`LOOKED` of xsk.bpf.c).
const LOOKED: u32 = 2;
/// Where its answers begin (`struct slots` of xsk.bpf.c).
const ANSWERS: usize = 8;
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
        for first in (0..capacity).step_by(AT_ONCE) {
            let answers = self.look(first)?;
            slots.extend(
                (first..).zip(answers).filter(|(_, occupied)| *occupied != 0).map(|(slot, _)| slot),
            );
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

    fn look(&self, first: u32) -> Result<[u8; AT_ONCE], Error> {
        let mut data = [0u8; ANSWERS + AT_ONCE];
        data[..4].copy_from_slice(&first.to_ne_bytes());
        let verdict = sys::test_run(self.0.as_fd(), &mut data).at(Step::Slots)?;
        if verdict != LOOKED {
            return Err(Error { step: Step::Slots, errno: EINVAL });
        }
        let mut answers = [0u8; AT_ONCE];
        answers.copy_from_slice(&data[ANSWERS..]);
        Ok(answers)
    }
}

impl AsFd for SlotProbe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
