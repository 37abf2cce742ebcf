// SPDX-License-Identifier: MIT OR Apache-2.0
//! A word about what takes long, so that nobody takes a wait for a hang.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::say;

/// The silence that nobody wonders about.
const SILENCE: Duration = Duration::from_secs(1);

/// Does `work`, and says what is waited for where that takes longer than a moment.
pub fn waiting<T>(program: &str, what: &str, work: impl FnOnce() -> T) -> T {
    after(SILENCE, || say(program, &format!("waiting for {what}")), work)
}

/// Does `work`, and `tell`s once if it is not done after so long.
fn after<T>(silence: Duration, tell: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        let watch = move || {
            if is_done.recv_timeout(silence) == Err(RecvTimeoutError::Timeout) {
                tell();
            }
        };
        // A word is not worth a failure, where a user has as many processes as he may.
        let _ = thread::Builder::new().spawn_scoped(scope, watch);
        let result = work();
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn only_what_takes_long_is_told_and_once() {
        let told = AtomicU32::new(0);
        let tell = || {
            told.fetch_add(1, Relaxed);
        };
        assert_eq!(after(Duration::from_secs(3600), tell, || 7), 7);
        assert_eq!(told.load(Relaxed), 0);
        after(Duration::ZERO, tell, || {
            while told.load(Relaxed) == 0 {
                thread::yield_now();
            }
        });
        assert_eq!(told.load(Relaxed), 1);
    }
}
