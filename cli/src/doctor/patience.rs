// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions with a time limit.
#![forbid(unsafe_code)]

use std::sync::mpsc;
use std::time::Duration;

/// How long one answer may take.
pub(super) const PATIENCE: Duration = Duration::from_millis(1900);

/// Returns the answer if it comes in time. A thread that waits longer does so until this process
/// ends.
pub(super) fn in_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || answer.send(ask()));
    answered.recv_timeout(PATIENCE).ok()
}
