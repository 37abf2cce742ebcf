// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends keepers, and proves it: a lease has ended when the locks of its keeper are gone and its
//! slots are empty. A keeper is told by SIGTERM, and one that does not go by it is killed, both by
//! a descriptor of the process, which after it was opened is proven to hold the lock. What a killed
//! one leaves is cleared here.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::orphan_slots::{self, Cleared, Left};
use crate::error::Failure;
use crate::leases::key::Key;
use crate::leases::table::{self, Holder};
use crate::sys::pidfd;

/// How long a keeper may take after SIGTERM. It waits for the interface's lock for 2 s itself.
const TOLD: Duration = Duration::from_millis(2500);
/// How long the kernel may take with a process that was killed.
const KILLED: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(2);

/// What became of a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended when told to.
    Told,
    /// It had to be killed.
    Killed,
    /// It was killed, and holds its queues still.
    Holding,
}

/// A lease that was ended, as far as it could be.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) uid: u32,
    pub(crate) keeper: u32,
    pub(crate) key: Key,
    pub(crate) queues: Vec<u32>,
    pub(crate) end: End,
    /// What its keeper had left.
    pub(crate) cleared: Cleared,
}

/// A process that holds queues of one interface.
struct Keeper {
    process: OwnedFd,
    key: Key,
    held: Vec<Holder>,
    end: End,
}

/// Ends the leases that these belong to, all at the same time. Those that are gone meanwhile are
/// left out.
pub(crate) fn end(chosen: &[(Key, Holder)]) -> Result<Vec<Ended>, Failure> {
    let failed = |error| Failure::sys("signalling a keeper", error);
    let mut keepers = Vec::new();
    for (key, holder) in first_queues(chosen) {
        keepers.extend(Keeper::told(key, holder).map_err(failed)?);
    }
    wait(&keepers, TOLD).map_err(failed)?;
    for keeper in &mut keepers {
        keeper.kill().map_err(failed)?;
    }
    wait(&keepers, KILLED).map_err(failed)?;
    keepers.into_iter().map(Keeper::ended).collect()
}

/// One place of each process.
fn first_queues(chosen: &[(Key, Holder)]) -> Vec<(Key, Holder)> {
    let mut first: Vec<(Key, Holder)> = Vec::new();
    for (key, holder) in chosen {
        if !first.iter().any(|(_, known)| known.pid == holder.pid) {
            first.push((*key, *holder));
        }
    }
    first
}

impl Keeper {
    /// Sends SIGTERM to the process that holds this now; none where nobody does any more.
    fn told(key: Key, holder: Holder) -> io::Result<Option<Self>> {
        let Some(process) = gone_is_none(pidfd::open(holder.pid))? else { return Ok(None) };
        // The number was read before the descriptor was opened: only a process that holds the lock
        // now is the keeper.
        let mut held = table::holders(key)?;
        held.retain(|other| other.pid == holder.pid);
        if !held.contains(&holder) {
            return Ok(None);
        }
        let sent = gone_is_none(pidfd::signal(&process, Signal::SIGTERM))?;
        Ok(sent.map(|()| Self { process, key, held, end: End::Told }))
    }

    /// Whether it has a queue still.
    fn holds(&self) -> io::Result<bool> {
        let now = table::holders(self.key)?;
        Ok(self.held.iter().any(|held| now.contains(held)))
    }

    /// Kills it if it holds a queue still. By then it is the same process, or the signal finds
    /// none.
    fn kill(&mut self) -> io::Result<()> {
        if self.holds()? {
            self.end = End::Killed;
            gone_is_none(pidfd::signal(&self.process, Signal::SIGKILL))?;
        }
        Ok(())
    }

    /// What became of it, with its slots empty.
    fn ended(mut self) -> Result<Ended, Failure> {
        if self.holds().map_err(|error| Failure::sys("reading the lease table", error))? {
            self.end = End::Holding;
        }
        let queues: Vec<u32> = self.held.iter().map(|held| held.queue).collect();
        let keeper = self.held.first().map_or(0, |held| held.pid);
        let left = Left { keeper, killed: self.end != End::Told };
        let cleared = orphan_slots::clear(self.key, Some(left), |queue| queues.contains(&queue))?;
        let uid = self.held.first().map_or(0, |held| held.uid);
        Ok(Ended { uid, keeper, key: self.key, queues, end: self.end, cleared })
    }
}

/// Until none of them holds a queue, or the time is up.
fn wait(keepers: &[Keeper], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    for keeper in keepers {
        while keeper.holds()? && Instant::now() < end {
            sleep(STEP);
        }
    }
    Ok(())
}

/// A process that does not exist any more is no error.
fn gone_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        other => other.map(Some),
    }
}
