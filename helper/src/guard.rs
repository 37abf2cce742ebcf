// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bind guard from the helper's side. The first helper that can loads it once after a boot, and
//! it stays for all later ones. Each grant tests on a socket that it is in force.
//!
//! The guard has an entry for each queue of a lease, so a later lease of the same queue replaces
//! the entry of one whose keeper was killed. Other entries of such leases are removed when a
//! program is attached to the interface anew, and by `reap`.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use caps::Capability::{CAP_BPF, CAP_PERFMON};
use caps::{CapSet, Capability};
use xsk_bpf::{Error, LivingLeases, Place};

use crate::audit::{Line, What};
use crate::error::Failure;
use crate::isolation::service;
use crate::leases::key::{Key, Netns};
use crate::leases::open_lock_file;
use crate::leases::table::{Holder, PATIENCE};
use crate::paths;
use crate::sys::{locks, privilege, sockets};

/// The number is raised when the structures of guard.bpf.c change; then the old guard and the new
/// one both run, each for its own sockets.
const FOLDER: &str = "guard-1";
/// Its first byte is locked while a process loads the guard; its text says why the load failed.
const LOCK_FILE: &str = "guard";
/// The security modules that the kernel runs.
const MODULES: &str = "/sys/kernel/security/lsm";
/// A lease that never has an entry.
const NO_LEASE: u64 = 0;

fn folder() -> PathBuf {
    Path::new(paths::BPF).join(FOLDER)
}

/// Loads the guard if it is not there and can be, and gives CAP_PERFMON up, which nothing else
/// needs.
pub(crate) fn prepare() -> Result<(), Failure> {
    if !xsk_bpf::Guard::is_pinned(&folder()) && worth_trying() {
        if let Err(failure) = load() {
            Line::new(What::Error).with("guard", failure.refused().message).log();
        }
    }
    service::give_up(CAP_PERFMON)
}

/// Returns whether a load may succeed.
fn worth_trying() -> bool {
    caps::has_cap(None, CapSet::Permitted, CAP_PERFMON).unwrap_or(false)
        && std::fs::read_to_string(MODULES)
            .map_or(true, |list| list.trim().split(',').any(|m| m == "bpf"))
        && xsk_bpf::is_bpffs(Path::new(paths::BPF)).unwrap_or(false)
}

/// Loads the guard, one helper at a time. A refusal is remembered until the next boot, so that not
/// every request tries.
fn load() -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::sys("preparing the bind guard", error);
    let lock = open_lock_file(LOCK_FILE).map_err(failed)?;
    if !locks::lock_within(&lock, 0, 1, PATIENCE).map_err(failed)?
        || lock.metadata().map_err(failed)?.len() > 0
    {
        return Ok(());
    }
    let dir = folder();
    if xsk_bpf::Guard::is_pinned(&dir) {
        return Ok(());
    }
    match DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    with(&[CAP_BPF, CAP_PERFMON], || xsk_bpf::Guard::load(&dir))?.map_err(|error| {
        remember(&lock, &error);
        error.into()
    })
}

/// Remembers a refusal, unless it is for lack of memory or descriptors, which passes.
fn remember(mut lock: &File, error: &Error) {
    if !matches!(error.errno, libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EAGAIN) {
        // If it cannot be written, the next request tries again.
        let _ = writeln!(lock, "{error}");
    }
}

fn with<T>(caps: &[Capability], work: impl FnOnce() -> T) -> Result<T, Failure> {
    privilege::with(caps, work).map_err(|error| Failure::sys("raising CAP_BPF", error))
}

fn place(key: Key, queue: u32) -> Place {
    Place { netns: key.netns.number(), ifindex: key.ifindex, queue }
}

/// The guard of this machine.
#[derive(Debug)]
pub(crate) struct Guard(xsk_bpf::Guard);

impl Guard {
    /// `None` where there is none.
    pub(crate) fn open() -> Option<Self> {
        let dir = folder();
        if !xsk_bpf::Guard::is_pinned(&dir) {
            return None;
        }
        match with(&[CAP_BPF], || xsk_bpf::Guard::open(&dir))
            .and_then(|opened| opened.map_err(Failure::from))
        {
            Ok(guard) => Some(Self(guard)),
            Err(failure) => {
                Line::new(What::Error).with("guard", failure.refused().message).log();
                None
            }
        }
    }

    /// Returns whether the guard is in force, by a test on this socket: stamped for a lease that
    /// does not exist, it must not bind.
    pub(crate) fn in_force(&self, socket: &OwnedFd) -> bool {
        let nowhere = Place { netns: 0, ifindex: 0, queue: 0 };
        let stamped = with(&[CAP_BPF], || self.0.stamp(socket.as_fd(), nowhere, NO_LEASE));
        matches!(stamped, Ok(Ok(()))) && sockets::bind_errno(socket.as_fd(), 0, 0) == libc::EPERM
    }

    /// Holds each of a lease's sockets to one queue, for as long as the lease has its entries.
    pub(crate) fn hold(
        &self,
        key: Key,
        lease: u64,
        first: u32,
        sockets: &[OwnedFd],
    ) -> Result<(), Failure> {
        let held = with(&[CAP_BPF], || {
            (first..).zip(sockets).try_for_each(|(queue, socket)| {
                self.0.stamp(socket.as_fd(), place(key, queue), lease)?;
                self.0.leases.begin(place(key, queue), lease)
            })
        })?;
        held.map_err(|error| {
            let queues =
                first..first.saturating_add(u32::try_from(sockets.len()).unwrap_or(u32::MAX));
            end(&self.0.leases, key, queues);
            error.into()
        })
    }

    /// Removes the entries of leases on an interface whose queues no process holds.
    pub(crate) fn forget_dead(&self, key: Key, holders: &[Holder]) -> Result<(), Failure> {
        let dead = |place: &Place| {
            (place.netns, place.ifindex) == (key.netns.number(), key.ifindex)
                && holders.iter().all(|holder| holder.queue != place.queue)
        };
        with(&[CAP_BPF], || {
            let places = self.0.leases.places()?;
            places.into_iter().filter(dead).try_for_each(|place| self.0.leases.end(place))
        })?
        .map_err(Failure::from)
    }

    /// Returns every interface with an entry, each once.
    pub(crate) fn interfaces(&self) -> Result<Vec<Key>, Failure> {
        let places = with(&[CAP_BPF], || self.0.leases.places())?.map_err(Failure::from)?;
        let mut keys: Vec<Key> = Vec::new();
        for place in places {
            let key = Key { netns: Netns::of_number(place.netns), ifindex: place.ifindex };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Returns what a keeper needs of it.
    pub(crate) fn into_leases(self) -> LivingLeases {
        self.0.leases
    }
}

/// Removes the entries of these queues, so their sockets bind nowhere. Before Linux 5.19 that takes
/// a capability, and the entry stays until the next lease of the queue replaces it.
pub(crate) fn end(leases: &LivingLeases, key: Key, queues: impl IntoIterator<Item = u32>) {
    for queue in queues {
        let _ = leases.end(place(key, queue));
    }
}
