// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as descriptors: each writes a byte to a socketpair, so that the main thread can poll for
//! them and none is lost between a look and a sleep.
#![forbid(unsafe_code)]

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;

use crate::error::{self, Error};

/// What is listened for, by name.
const SIGNALS: [(i32, &str); 4] =
    [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGHUP, "SIGHUP"), (SIGUSR1, "SIGUSR1")];

/// The reading ends.
#[derive(Debug)]
pub(crate) struct Signals {
    readers: Vec<(UnixStream, &'static str)>,
}

/// What arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// End, because of this signal.
    End(&'static str),
    /// Print the statistics.
    Statistics,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub(crate) fn listen() -> Result<Self, Error> {
        let listen = |(number, name)| {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            pipe::register(number, writer)?;
            Ok((reader, name))
        };
        let readers = SIGNALS.into_iter().map(listen).collect::<std::io::Result<_>>();
        let readers = readers.map_err(|error| error::io("", "listen for signals", error))?;
        Ok(Self { readers })
    }

    /// What to poll.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.readers.iter().map(|(reader, _)| reader.as_fd())
    }

    /// What has arrived since the last look; an end before anything else.
    pub(crate) fn arrived(&self) -> Option<Arrived> {
        let mut statistics = None;
        for (reader, name) in &self.readers {
            let mut reader: &UnixStream = reader;
            if !matches!(reader.read(&mut [0; 64]), Ok(1..)) {
                continue;
            }
            if *name != "SIGUSR1" {
                return Some(Arrived::End(name));
            }
            statistics = Some(Arrived::Statistics);
        }
        statistics
    }
}
