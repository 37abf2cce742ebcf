// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for a condition, always with an end: the only place of the lab that sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Long enough for anything that should happen at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(5);

/// One short pause, for a loop that has its own end.
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}

/// Waits until `probe` answers, at most `within`, and fails with `what` otherwise.
pub fn wait_for<T>(within: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited {within:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `probe` holds, at most `within`, and fails with `what` otherwise.
pub fn wait_until(within: Duration, what: &str, mut probe: impl FnMut() -> bool) {
    wait_for(within, what, || probe().then_some(()));
}

/// Waits until `probe` holds, and says whether it did within the time.
pub fn wait_quietly(within: Duration, mut probe: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + within;
    loop {
        if probe() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Says that it is over when it goes out of scope, by a failed check too: the other threads of a
/// test, which go on until then, would have it wait for ever.
#[derive(Debug)]
pub struct Stopper<'a>(pub &'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
