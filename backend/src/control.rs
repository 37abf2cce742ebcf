// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the main thread ends the queue threads, and they end it: a flag beside an eventfd that is
//! never read, so that every thread that polls it, before or after, sees the end.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{self, Error};

/// Shared by the main thread and the queue threads.
#[derive(Debug)]
pub struct Control {
    stopped: AtomicBool,
    stop: OwnedFd,
    ended: OwnedFd,
    wanted: Option<u64>,
    moved: AtomicU64,
}

impl Control {
    /// `count`: end after that many frames from the network, over all queues.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(count: Option<u64>) -> Result<Self, Error> {
        let new = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let made = |errno| error::io("", "create an eventfd", errno);
        let (stop, ended) = (new().map_err(made)?, new().map_err(made)?);
        Ok(Self {
            stopped: AtomicBool::new(false),
            stop,
            ended,
            wanted: count,
            moved: AtomicU64::new(0),
        })
    }

    /// Whether everybody should end.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends everybody.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        signal(&self.stop);
    }

    /// Tells the main thread to look at what ended.
    pub fn tell_main(&self) {
        signal(&self.ended);
    }

    /// Counts frames towards `--count`.
    #[inline]
    pub fn account(&self, frames: u64) {
        let Some(wanted) = self.wanted else { return };
        if self.moved.fetch_add(frames, Ordering::Relaxed) + frames >= wanted {
            self.stop();
            self.tell_main();
        }
    }

    /// Readable for good once everybody should end.
    pub fn stop_event(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// Readable when a queue thread has ended.
    pub fn main_event(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Empties [`main_event`](Self::main_event).
    pub fn drain_main_event(&self) {
        let mut count = [0; 8];
        // Non-blocking: an empty event is no error here.
        let _ = rustix::io::read(&self.ended, &mut count);
    }
}

fn signal(event: &OwnedFd) {
    // The only refusal is a counter near 2^64, and then the event is readable anyhow.
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}
