// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets that have to wait for their consumer. From Linux 7.1 on the map takes a socket only once
//! it has an RX ring (net/xdp/xskmap.c, commit bf6d507f7e3c), and the consumer makes the rings. So
//! the keeper keeps a copy of each such socket, puts it into its slot as soon as the kernel takes
//! it, and closes the copy. It needs no lock for that: the lease holds the queue, and no process
//! removes a program while its queues are held.
//!
//! Nothing reports when a ring is made, so the keeper tries again after an eighth of the time that
//! has passed. A quick consumer loses a millisecond, and a slow one costs almost nothing.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use xsk_bpf::{SlotProbe, XskMap};

use super::slots::occupied;
use crate::audit::{Line, What};
use crate::bpf_call::privileged;
use crate::error::{Failure, KernelFault};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);

/// The sockets of a lease that are not in the map yet.
#[derive(Debug)]
pub(crate) struct DeferredInserts {
    waiting: Vec<(u32, OwnedFd)>,
    since: Instant,
}

impl DeferredInserts {
    pub(crate) fn new() -> Self {
        Self { waiting: Vec::new(), since: Instant::now() }
    }

    /// Keeps a socket that the map does not take yet. The kernel checks the socket before the slot,
    /// so this checks that the slot is free. It also checks that the keeper will be able to fill
    /// it: before Linux 5.19 that takes a capability.
    pub(crate) fn admit(
        &mut self,
        (map, slots): (&XskMap, &SlotProbe),
        queue: u32,
        socket: &OwnedFd,
        ifname: &str,
    ) -> Result<(), Failure> {
        if map.insert(queue, socket.as_fd()).is_err_and(|error| error.errno == libc::EPERM) {
            return Err(KernelFault::NoDeferredInsert.into());
        }
        if privileged(|| slots.occupied_of(map))?.contains(&queue) {
            return Err(occupied(queue, ifname).into());
        }
        let copy = socket.try_clone().map_err(|error| Failure::sys("copying a socket", error))?;
        self.waiting.push((queue, copy));
        Ok(())
    }

    /// Returns when to try again; never if no socket waits.
    pub(crate) fn pause(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| (self.since.elapsed() / 8).clamp(SHORTEST, LONGEST))
    }

    /// Puts into the map the sockets that it takes by now, and returns their queues.
    pub(crate) fn fill(&mut self, map: &XskMap) -> Vec<u32> {
        let mut filled = Vec::new();
        self.waiting.retain(|(queue, socket)| match map.insert(*queue, socket.as_fd()) {
            Ok(()) => {
                filled.push(*queue);
                false
            }
            // There is no ring yet, or no memory just now.
            Err(error) if matches!(error.errno, libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN) => {
                true
            }
            Err(error) => {
                Line::new(What::Error).with("queue", queue).with("error", error).log();
                false
            }
        });
        filled
    }

    /// Closes all of them.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}
