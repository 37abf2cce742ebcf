// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unix socket: listening at a path, or connecting to one, again and again.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::access::{self, Allowed};
use super::log::Log;
use crate::error::{self, Error};
use crate::peer_spec::VhostSpec;

/// Where connections come from.
pub(super) struct Endpoint {
    from: From,
    /// Accepted while there is another front end, before it is known whether that is gone.
    next: Option<UnixStream>,
    allowed: Allowed,
}

enum From {
    /// Ours to listen at.
    Server(UnixListener),
    /// Ours to connect to, not before `next`.
    Client { path: PathBuf, next: Instant, every: Duration, told: bool },
}

impl Endpoint {
    pub(super) fn open(spec: &VhostSpec) -> Result<Self, Error> {
        let allowed = Allowed::of(spec)?;
        let from = if spec.server {
            From::Server(access::listen(spec, &allowed)?)
        } else {
            let every =
                spec.reconnect.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(10));
            From::Client { path: spec.path.clone(), next: Instant::now(), every, told: false }
        };
        Ok(Self { from, next: None, allowed })
    }

    /// Returns a connection with a front end that is allowed one, if there is one now.
    pub(super) fn connection(&mut self, log: &Log) -> Result<Option<UnixStream>, Error> {
        let found = match &mut self.from {
            _ if self.next.is_some() => Ok(self.next.take()),
            From::Server(listener) => accept(listener),
            From::Client { next, .. } if Instant::now() < *next => Ok(None),
            From::Client { path, next, every, .. } => {
                *next = Instant::now() + *every;
                try_connect(path)
            }
        };
        let found = match found {
            // It may be given its mode after its name.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.say_once("the socket does not let this user in", log);
                None
            }
            found => found.map_err(|error| self.failed(error))?,
        };
        let Some(stream) = found else { return Ok(None) };
        match self.allowed.check(&stream) {
            Ok(()) => Ok(Some(stream)),
            Err(why) => {
                self.say_once(&why, log);
                Ok(None)
            }
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        match &self.from {
            From::Server(_) => error::io("--peer vhost-user", "accept a connection", error),
            From::Client { path, .. } => error::io(&path.display().to_string(), "connect", error),
        }
    }

    /// A stranger that listens is found again at each attempt.
    fn say_once(&mut self, why: &str, log: &Log) {
        match &mut self.from {
            From::Client { told: true, .. } => return,
            From::Client { told, .. } => *told = true,
            From::Server(_) => {}
        }
        log.say(why);
    }

    /// Takes a connection that has come while there is one. It is the next one if that is found to
    /// be gone, else it is to be turned away.
    pub(super) fn look(&mut self) {
        if let From::Server(listener) = &self.from {
            self.next = accept(listener).ok().flatten();
        }
    }

    /// Closes the connection that has come, since there is one.
    pub(super) fn turn_away(&mut self, log: &Log) {
        if self.next.take().is_some() {
            log.say("a second front end was turned away: there is one already");
        }
    }

    /// What to poll for the next connection.
    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::Server(listener) => Some(listener.as_fd()),
            From::Client { .. } => None,
        }
    }

    /// How long until it is worth asking again.
    pub(super) fn within(&self) -> Option<Duration> {
        match &self.from {
            From::Server(_) => None,
            From::Client { next, .. } => Some(next.saturating_duration_since(Instant::now())),
        }
    }
}

fn accept(listener: &UnixListener) -> io::Result<Option<UnixStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if is_transient(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// With a full table of descriptors the connection waits, and the poll for it does not: so that is
/// an error.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
}

/// Connects without waiting, even where the other side's queue is full. Nobody there yet: nothing.
fn try_connect(path: &Path) -> io::Result<Option<UnixStream>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(Some(socket.into())),
        Err(Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
