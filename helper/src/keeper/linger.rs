// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a keeper does when its lease is over: it keeps the program on the interface for the rule's
//! linger, and waits until its sockets are received. It holds no queue any more, but still its
//! user's place in the limits. So a user who begins and ends leases all the time causes no more
//! attaches in that time than the user has places, and no keeper stays for ever.

use std::time::{Duration, Instant};

use super::lease_connection::LeaseConnection;
use super::revoke_signal::RevokeSignal;
use crate::grant::Lease;

/// How often the keeper checks whether the sockets were received.
const PAUSE: Duration = Duration::from_secs(1);

/// Stays until both are done, or SIGTERM comes; takes the program off at the end.
pub(super) fn stay(
    connection: LeaseConnection,
    mut lease: Lease,
    linger: Duration,
    revokes: &RevokeSignal,
) {
    let end = Instant::now() + linger;
    let mut waiting = Some(connection);
    loop {
        // The connection is closed as soon as that is possible: a client that waits for the end
        // sees it.
        waiting = waiting.and_then(LeaseConnection::untaken);
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            lease.take_off();
        }
        match pause(left, waiting.is_some()) {
            Some(pause) if !revokes.within(pause) => {}
            _ => break,
        }
        if let Some(connection) = &waiting {
            connection.discard();
        }
    }
    lease.take_off();
}

/// Returns how long to sleep; none if there is nothing more to wait for. The connection is not
/// polled, because one that is shut down would always be ready.
fn pause(left: Duration, waiting: bool) -> Option<Duration> {
    match (left.is_zero(), waiting) {
        (true, false) => None,
        (true, true) => Some(PAUSE),
        (false, true) => Some(left.min(PAUSE)),
        (false, false) => Some(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_until_the_next_thing_to_do() {
        let (none, half, long) = (Duration::ZERO, PAUSE / 2, PAUSE * 2);
        assert_eq!(pause(none, false), None);
        assert_eq!(pause(none, true), Some(PAUSE));
        assert_eq!((pause(half, true), pause(long, true)), (Some(half), Some(PAUSE)));
        assert_eq!(pause(long, false), Some(long));
    }
}
