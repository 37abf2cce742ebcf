// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a backend's life hangs on besides signals: the options by which the program that starts it
//! says how long it is wanted, where it logs, and whether it is started again.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::dup2_stderr;

use crate::error::{self, Error};

/// How long it is wanted, and who hears of it.
#[derive(Debug, Default, clap::Args)]
pub struct LifeArgs {
    /// Stay as the supervisor of a process that does the work, and start it again with a new
    /// lease of the same queues if it dies. Not after a revoke, nor where the peer is stream=fd:N
    #[arg(long)]
    pub supervise: bool,
    /// Append what is said on standard error to this file
    #[arg(long, value_name = "PATH", conflicts_with = "syslog")]
    pub log_file: Option<PathBuf>,
    /// Log to syslog or journald instead of standard error
    #[arg(long, requires = "supervise")]
    pub syslog: bool,
    /// End when the other end of this inherited pipe is closed
    #[arg(long, value_name = "FD")]
    pub while_open: Option<RawFd>,
    /// Write a newline to this inherited descriptor when all queues are bound, and close it
    #[arg(long, value_name = "FD")]
    pub notify_fd: Option<RawFd>,
    /// A folder that holds nothing but the peer's socket, to be removed at the end
    #[arg(long, value_name = "PATH", requires = "supervise")]
    pub folder: Option<PathBuf>,
}

impl LifeArgs {
    /// The descriptors that have to be taken over: those of [`Life`], in this order.
    pub(crate) fn inherited(&self) -> [Option<RawFd>; 2] {
        [self.while_open, self.notify_fd]
    }

    /// Sends standard error to the file, if one is given.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open_log(&self) -> Result<(), Error> {
        let Some(path) = &self.log_file else { return Ok(()) };
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let done = opened.and_then(|file| Ok(dup2_stderr(file)?));
        done.map_err(|error| error::io(&path.display().to_string(), "open the log", error))
    }
}

/// The inherited descriptors of [`LifeArgs`].
#[derive(Debug, Default)]
pub(crate) struct Life {
    while_open: Option<OwnedFd>,
    notify: Option<File>,
}

impl Life {
    /// In the order of [`LifeArgs::inherited`].
    pub(crate) fn of([while_open, notify]: [Option<OwnedFd>; 2]) -> Self {
        Self { while_open, notify: notify.map(File::from) }
    }

    /// Tells the program that waits for it that this one works.
    pub(crate) fn is_ready(&mut self) {
        if let Some(mut notify) = self.notify.take() {
            // The program need not wait any more.
            let _ = notify.write_all(b"\n");
        }
    }

    /// What to poll, for a hang-up alone.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.while_open.as_ref().map(AsFd::as_fd)
    }

    /// Whether nobody needs this process any more.
    pub(crate) fn is_over(&self) -> bool {
        let Some(fd) = self.descriptor() else { return false };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_end_of_the_other_end_is_seen() {
        let (near, far) = UnixStream::pair().unwrap();
        let life = Life::of([Some(near.into()), None]);
        assert!(!life.is_over());
        drop(far);
        assert!(life.is_over());
        assert!(!Life::default().is_over());
    }
}
