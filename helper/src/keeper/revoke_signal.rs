// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGTERM, by which `revoke` and a manager of services end a lease. It is held back from before the first lock of a
//! request on, since whoever finds the holder of a queue may send it at once: a process that it ended half-way would
//! tell its client nothing and leave everything to the next request.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::Failure;

/// Where it arrives while it is held back.
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
        let held =
            SignalFd::with_flags(&mask(), flags).and_then(|fd| mask().thread_block().map(|()| Self(fd)));
        held.map_err(|error| Failure::sys("holding SIGTERM back", error))
    }

    /// Takes the one that arrived: another one is seen after that.
    pub(super) fn take(&self) {
        let _ = self.0.read_signal();
    }

    /// Whether one arrives within this time.
    pub(super) fn within(&self, time: Duration) -> bool {
        let mut set = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let time = PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        poll(&mut set, time).is_ok_and(|ready| ready > 0)
    }

    /// There is no lease: it ends the process again, at once if it came meanwhile.
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
