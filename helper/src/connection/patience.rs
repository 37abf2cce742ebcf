// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long to wait for a client, and what ends the wait before that.
//!
//! If a user starts the helper, the user keeps a copy of the helper's end of the connection and may
//! change what belongs to the file, not the descriptor: O_NONBLOCK, time-outs, buffer sizes, the
//! receiver of signals. So no call on a connection blocks. All waiting is done here, by our own
//! clock.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A moment until which to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'a> {
    end: Option<Instant>,
    /// Readable when the wait is to end at once.
    stop: Option<BorrowedFd<'a>>,
}

impl<'a> Patience<'a> {
    /// Does not wait at all.
    pub(crate) const NONE: Self = Self { end: None, stop: None };

    /// Waits until then.
    pub(crate) const fn until(end: Instant) -> Self {
        Self { end: Some(end), stop: None }
    }

    /// Waits for so long from now on.
    pub(crate) fn of(duration: Duration) -> Self {
        Self::until(Instant::now() + duration)
    }

    /// The same wait, which also ends when `stop` is readable.
    pub(crate) const fn unless(self, stop: BorrowedFd<'a>) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Waits for `events` on a descriptor. False when the time is up.
    ///
    /// # Errors
    /// ECANCELED when the wait is to end at once.
    pub(crate) fn wait(self, fd: BorrowedFd<'_>, events: PollFlags) -> io::Result<bool> {
        let Some(end) = self.end else { return Ok(false) };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            if self.poll(fd, events, left)? {
                return Ok(true);
            }
        }
    }

    fn poll(self, fd: BorrowedFd<'_>, events: PollFlags, left: Duration) -> io::Result<bool> {
        // If nothing ends the wait early, the descriptor itself takes that place.
        let stop = PollFd::new(self.stop.unwrap_or(fd), PollFlags::POLLIN);
        let mut set = [PollFd::new(fd, events), stop];
        let count = if self.stop.is_some() { 2 } else { 1 };
        // Rounded up, so that the last wait is not zero.
        let timeout =
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut set[..count], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        if self.stop.is_some() && ready(&set[1]) {
            return Err(Errno::ECANCELED.into());
        }
        Ok(ready(&set[0]))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn it_ends_by_its_clock_by_the_descriptor_or_by_the_stop() {
        let (quiet, _writer) = nix::unistd::pipe().unwrap();
        let (loud, writer) = nix::unistd::pipe().unwrap();
        nix::unistd::write(&writer, b"x").unwrap();
        let wait =
            |patience: Patience<'_>, fd: BorrowedFd<'_>| patience.wait(fd, PollFlags::POLLIN);
        assert!(!wait(Patience::NONE, loud.as_fd()).unwrap());
        let begin = Instant::now();
        assert!(!wait(Patience::of(Duration::from_millis(20)), quiet.as_fd()).unwrap());
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert!(wait(Patience::of(LONG), loud.as_fd()).unwrap());
        let stopped = wait(Patience::of(LONG).unless(loud.as_fd()), quiet.as_fd()).unwrap_err();
        assert_eq!(stopped.raw_os_error(), Some(libc::ECANCELED));
    }
}
