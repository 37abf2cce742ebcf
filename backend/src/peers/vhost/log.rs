// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device's log lines. A guest or a front end can cause as many as it likes, so only some a
//! second are printed, and the rest is counted.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use xsk_command::say;

use crate::error::PROGRAM;

/// Lines in a period.
const LINES: u32 = 100;
const PERIOD: Duration = Duration::from_secs(60);

/// Where the lines of one device go.
pub(super) struct Log {
    name: String,
    quota: Mutex<Quota>,
}

struct Quota {
    since: Instant,
    said: u32,
}

impl Log {
    /// A log whose lines begin with `name`.
    pub(super) fn new(name: String) -> Self {
        Self { name, quota: Mutex::new(Quota { since: Instant::now(), said: 0 }) }
    }

    pub(super) fn say(&self, what: impl Display) {
        let (swallowed, allowed) =
            self.quota.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        if swallowed > 0 {
            say(PROGRAM, &format!("{}: {swallowed} lines were left out", self.name));
        }
        if allowed {
            say(PROGRAM, &format!("{}: {what}", self.name));
        }
    }
}

impl Quota {
    /// How many lines of the last period were left out, to be said now, and whether one more may be
    /// said.
    fn next(&mut self, now: Instant) -> (u32, bool) {
        let mut swallowed = 0;
        if now.duration_since(self.since) >= PERIOD {
            swallowed = self.said.saturating_sub(LINES);
            *self = Self { since: now, said: 0 };
        }
        self.said = self.said.saturating_add(1);
        (swallowed, self.said <= LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_said_later() {
        let start = Instant::now();
        let mut quota = Quota { since: start, said: 0 };
        let said = (0..1000).filter(|_| quota.next(start).1).count();
        assert_eq!(said, 100);
        assert_eq!(quota.next(start + PERIOD), (900, true));
        assert_eq!(quota.next(start + PERIOD), (0, true));
    }
}
