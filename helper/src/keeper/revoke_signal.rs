// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGTERM, by which `revoke` and a service manager end a lease. It is blocked before a request
//! takes its first lock, because it may be sent as soon as the lock names the holder. A process
//! that it ended half-way would tell its client nothing and leave everything to the next request.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::Failure;

/// The descriptor on which it arrives while it is blocked.
#[derive(Debug)]
pub(crate) struct RevokeSignal(SignalFd);

fn mask() -> SigSet {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask
}

impl RevokeSignal {
    /// From here on it does not end the process.
    pub(crate) fn hold() -> Result<Self, Failure> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let held = SignalFd::with_flags(&mask(), flags)
            .and_then(|fd| mask().thread_block().map(|()| Self(fd)));
        held.map_err(|error| Failure::sys("holding SIGTERM back", error))
    }

    /// Takes the one that arrived: another one is seen after that.
    pub(super) fn take(&self) {
        let _ = self.0.read_signal();
    }

    /// Returns whether one arrives within this time.
    pub(super) fn within(&self, time: Duration) -> bool {
        let mut set = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let time =
            PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        poll(&mut set, time).is_ok_and(|ready| ready > 0)
    }

    /// Unblocks it, since there is no lease. If it came meanwhile it ends the process now.
    pub(crate) fn release(self) {
        // With nothing but a number in it the call cannot fail.
        let _ = mask().thread_unblock();
    }
}

impl AsFd for RevokeSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
