// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processes behind the lease table; a trait so that the order of questions and signals can be
//! tested.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::leases::key::Key;
use crate::leases::table::{self, Holder};
use crate::sys::pidfd;

/// How often it is looked whether a process has ended.
const STEP: Duration = Duration::from_millis(2);

pub(super) trait Processes {
    /// A process, whatever becomes of its number.
    type Process;

    /// Opens a process.
    fn open(&self, pid: u32) -> io::Result<Self::Process>;
    /// Returns who holds queues of the interface.
    fn holders(&self, key: Key) -> io::Result<Vec<Holder>>;
    /// Sends a signal.
    fn signal(&self, process: &Self::Process, signal: Signal) -> io::Result<()>;
    /// Waits for a moment.
    fn pause(&self);
}

/// The processes of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct System;

impl Processes for System {
    type Process = OwnedFd;

    fn open(&self, pid: u32) -> io::Result<OwnedFd> {
        pidfd::open(pid)
    }

    fn holders(&self, key: Key) -> io::Result<Vec<Holder>> {
        table::holders(key)
    }

    fn signal(&self, process: &OwnedFd, signal: Signal) -> io::Result<()> {
        pidfd::signal(process, signal)
    }

    fn pause(&self) {
        sleep(STEP);
    }
}
