// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes to descriptors of the front end's. It can fill an eventfd or a pipe and clear O_NONBLOCK,
//! and the write then waits for ever. So each write is marked, a watch sees one that does not end,
//! and a signal to the thread ends it.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use rustix::io::Errno;

use crate::sys;

/// The mark of one thread.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Odd inside a write.
    writes: AtomicU64,
    thread: AtomicI32,
}

/// The driver cannot be notified any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mute {
    #[error("the call descriptor is full, and a write to it waits")]
    Blocks,
    #[error("the call descriptor cannot be written to: {0}")]
    Refuses(Errno),
}

impl Guard {
    /// Marks the calling thread as the one that writes.
    pub(super) fn enter_thread(&self) {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        self.thread.store(id, Ordering::Relaxed);
    }

    /// Notifies the driver. A full descriptor that does not block is a notification that it has not
    /// seen yet.
    pub(super) fn notify(&self, call: &OwnedFd) -> Result<(), Mute> {
        let mark = self.writes.load(Ordering::Relaxed);
        self.writes.store(mark + 1, Ordering::Relaxed);
        let written = rustix::io::write(call, &1_u64.to_ne_bytes());
        self.writes.store(mark + 2, Ordering::Relaxed);
        match written {
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(Errno::INTR) => Err(Mute::Blocks),
            Err(errno) => Err(Mute::Refuses(errno)),
        }
    }
}

/// Looks at the writes of all threads, now and then.
pub(crate) struct Watchdog {
    threads: Vec<(Arc<dyn AsRef<Guard> + Send + Sync>, u64)>,
}

impl Watchdog {
    pub(super) fn new(threads: impl Iterator<Item = Arc<dyn AsRef<Guard> + Send + Sync>>) -> Self {
        Self { threads: threads.map(|thread| (thread, 0)).collect() }
    }

    /// Lets every thread go that is in the same write as at the last look.
    pub(crate) fn look(&mut self) {
        for (thread, seen) in &mut self.threads {
            let guard = (**thread).as_ref();
            let now = guard.writes.load(Ordering::Relaxed);
            if now == *seen && now % 2 == 1 {
                sys::interrupt(guard.thread.load(Ordering::Relaxed));
            }
            *seen = now;
        }
    }
}

impl AsRef<Guard> for Guard {
    fn as_ref(&self) -> &Guard {
        self
    }
}
