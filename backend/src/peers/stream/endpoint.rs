// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unix socket: listens at a path or connects to one, repeatedly if asked to.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::{self, Error};
use crate::peer_spec::StreamSpec;

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// Ours to listen at. The path goes with it.
    Server { listener: Arc<UnixListener>, path: PathBuf },
    /// Ours to connect to, not before `next`.
    Client { path: PathBuf, next: Instant, every: Duration },
    /// A connection that was there from the start, until it is taken.
    Inherited(Option<UnixStream>),
}

impl Endpoint {
    pub(super) fn open(spec: &StreamSpec, inherited: Option<OwnedFd>) -> Result<Self, Error> {
        let path = spec.path.clone();
        if let Some(stream) = inherited.map(UnixStream::from) {
            let failed =
                |error: io::Error| error::io(&path.display().to_string(), "take over", error);
            stream.peer_addr().and_then(|_| stream.set_nonblocking(true)).map_err(failed)?;
            return Ok(Self::Inherited(Some(stream)));
        }
        if !spec.server {
            let every =
                spec.reconnect.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(10));
            return Ok(Self::Client { path, next: Instant::now(), every });
        }
        let failed = |error: io::Error| error::io(&path.display().to_string(), "listen", error);
        remove_stale(&path).map_err(failed)?;
        let listener = UnixListener::bind(&path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self::Server { listener: Arc::new(listener), path })
    }

    /// A connection, if there is one to be had now.
    pub(super) fn connection(&mut self) -> io::Result<Option<UnixStream>> {
        match self {
            Self::Inherited(stream) => Ok(stream.take()),
            Self::Server { listener, .. } => match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    Ok(Some(stream))
                }
                Err(error) if is_transient(&error) => Ok(None),
                Err(error) => Err(error),
            },
            Self::Client { next, .. } if Instant::now() < *next => Ok(None),
            Self::Client { path, next, every } => {
                *next = Instant::now() + *every;
                try_connect(path)
            }
        }
    }

    /// How long until it is worth asking again; nothing for a server, whose listener can be polled.
    pub(super) fn within(&self) -> Option<Duration> {
        match self {
            Self::Server { .. } | Self::Inherited(_) => None,
            Self::Client { next, .. } => Some(next.saturating_duration_since(Instant::now())),
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Self::Server { path, .. } = self {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}

/// Connects without waiting, even where the other side's queue is full. Nobody there yet: nothing.
fn try_connect(path: &Path) -> io::Result<Option<UnixStream>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(Some(socket.into())),
        Err(
            rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED | rustix::io::Errno::AGAIN,
        ) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes a socket at which nobody listens any more, and nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if metadata.file_type().is_socket()
        && UnixStream::connect(path).is_err_and(|error| refused(&error))
    {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
