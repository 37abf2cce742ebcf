// SPDX-License-Identifier: MIT OR Apache-2.0
//! A user's place for one more lease. A lease that has ended keeps its place for as long as its
//! program lingers, so a request waits for that.
#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Failure, Limit};
use crate::leases::quota::{Kind, Quota, QuotaSlot};
use crate::policy::Rule;

/// How long a request waits at the most.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How much longer than the linger the end of a lease may take.
const SLACK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// Takes a place under the rule's limit.
pub(super) fn take(quota: &Quota, uid: u32, rule: &Rule) -> Result<QuotaSlot, Failure> {
    let most = rule.max_leases;
    let end = Instant::now() + patience(rule.linger);
    loop {
        let taken = quota.take(Kind::Lease, most);
        match taken.map_err(|error| Failure::sys("counting the user's leases", error))? {
            Some(slot) => return Ok(slot),
            None if Instant::now() >= end => return Err(Limit::Leases { uid, most }.into()),
            None => sleep(PAUSE),
        }
    }
}

/// Returns how long a lease lingers that is just about to end.
fn patience(linger: Duration) -> Duration {
    if linger.is_zero() { linger } else { (linger + SLACK).min(PATIENCE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_as_long_as_a_program_lingers_but_not_for_ever() {
        assert_eq!(patience(Duration::ZERO), Duration::ZERO);
        assert_eq!(patience(Duration::from_secs(1)), Duration::from_millis(1500));
        assert_eq!(patience(Duration::from_secs(3600)), PATIENCE);
    }
}
