// SPDX-License-Identifier: MIT OR Apache-2.0
//! Getting a lease: how long to wait for one, and what it warns of.

use std::time::{Duration, Instant};

use clap::Args;
use xsk_client::proto::{Code, Granted, WarningKind};
use xsk_client::{Endpoint, Error, Kind, Lease, Request};

use crate::{say, seconds};

/// Between two attempts at busy queues.
const RETRY: Duration = Duration::from_millis(200);

/// Whether to wait for busy queues.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArgs {
    /// Wait while a queue is busy, for ever or for so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
        default_missing_value = FOREVER, value_parser = limit)]
    pub wait: Option<Wait>,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as it takes.
    Forever,
    /// So long.
    For(Duration),
}

/// What stands for `--wait` without a number.
const FOREVER: &str = "forever";

fn limit(text: &str) -> Result<Wait, String> {
    if text == FOREVER { Ok(Wait::Forever) } else { seconds(text).map(Wait::For) }
}

impl Wait {
    fn is_over(self, start: Instant) -> bool {
        matches!(self, Wait::For(limit) if start.elapsed() >= limit)
    }
}

/// Acquires a lease; what is busy is asked for again until the time is over.
///
/// # Errors
/// As [`xsk_client::acquire`], the last time.
pub fn acquire(
    program: &str,
    endpoint: &Endpoint,
    request: &Request,
    wait: Option<Wait>,
) -> Result<Lease, Error> {
    let start = Instant::now();
    let mut told = false;
    loop {
        let error = match xsk_client::acquire(endpoint, request) {
            Err(error) if matches!(error.kind, Kind::Refused(Code::Busy | Code::Limit)) => error,
            result => return result,
        };
        if wait.is_none_or(|wait| wait.is_over(start)) {
            return Err(error);
        }
        if !std::mem::replace(&mut told, true) {
            say(program, &format!("waiting: {error}"));
        }
        std::thread::sleep(RETRY);
    }
}

/// Says what a grant warns of.
pub fn warnings(program: &str, granted: &Granted) {
    let ifname = &granted.ifname;
    if !granted.mode_reason.is_empty() {
        say(program, &format!("{ifname}: mode {}: {}", granted.mode, granted.mode_reason));
    }
    for warning in &granted.warnings {
        let word = if warning.kind == WarningKind::Down { "warning (no frame will pass)" } else { "warning" };
        say(program, &format!("{ifname}: {word}: {}", warning.text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_limit_or_none() {
        assert_eq!(limit("forever"), Ok(Wait::Forever));
        assert_eq!(limit("0.5"), Ok(Wait::For(Duration::from_millis(500))));
        assert!(limit("soon").is_err());
        assert!(!Wait::Forever.is_over(Instant::now()));
        assert!(Wait::For(Duration::ZERO).is_over(Instant::now()));
    }
}
