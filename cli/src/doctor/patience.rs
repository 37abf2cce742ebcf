// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions that end, whoever is asked.
#![forbid(unsafe_code)]

use std::sync::mpsc;
use std::time::Duration;

/// How long anybody may take to answer one question.
pub(super) const PATIENCE: Duration = Duration::from_millis(1900);

/// The answer, if it comes in time; who waits for longer does so until this process ends.
pub(super) fn in_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || answer.send(ask()));
    answered.recv_timeout(PATIENCE).ok()
}
