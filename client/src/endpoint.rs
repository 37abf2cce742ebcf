// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the helper is: behind the system's socket, or a file to run. The file is tried only where
//! the socket is absent, never after a refusal: a "no" of the system's helper is final.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use xsk_proto::{HELPER_PATH, SOCKET_PATH};

use crate::sys::{packet, process};
use crate::{Error, Kind, hints};

/// How long a conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take where a person types a password.
const PATIENCE_WITH_A_PERSON: Duration = Duration::from_secs(120);

/// How long a helper that we started may take to fork off, once it has answered.
const PARTING: Duration = Duration::from_secs(1);

/// A way to reach a helper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// [`SOCKET_PATH`], and where that is absent the installed helper, [`HELPER_PATH`].
    #[default]
    System,
    /// A listening `SOCK_SEQPACKET` socket.
    Socket(PathBuf),
    /// A helper's file, run with one end of a socketpair as its standard input.
    Helper(PathBuf),
    /// The installed helper, run by pkexec.
    Pkexec,
}

/// A connection to a helper, before anything was said.
#[derive(Debug)]
pub(crate) struct HelperConnection {
    pub(crate) socket: OwnedFd,
    pub(crate) deadline: Instant,
    /// What the helper is called in a message.
    pub(crate) name: String,
    /// The helper's first process, where we started it. Dropped after the socket: its end is what a
    /// helper that has not forked off waits for.
    started: Option<Started>,
}

/// A helper's first process. It is reaped when dropped, so that what this process becomes inherits
/// no zombie.
#[derive(Debug)]
struct Started {
    child: Child,
    path: PathBuf,
    /// What it wrote to its standard error. The protocol says what a person needs to know; this is
    /// for a helper that ends before it can say anything.
    errors: Option<File>,
}

impl Drop for Started {
    fn drop(&mut self) {
        process::reap(&mut self.child, Instant::now() + PARTING);
    }
}

impl Endpoint {
    /// Connects, or starts the helper.
    pub(crate) fn open(&self) -> Result<HelperConnection, Error> {
        match self {
            Endpoint::System => open_system(Path::new(SOCKET_PATH), Path::new(HELPER_PATH)),
            Endpoint::Socket(path) => open_socket(path).map_err(|errno| hints::socket(path, errno)),
            Endpoint::Helper(path) => start(Command::new(path), path, PATIENCE),
            Endpoint::Pkexec => {
                let mut command = Command::new("pkexec");
                command.arg(HELPER_PATH);
                start(command, Path::new("pkexec"), PATIENCE_WITH_A_PERSON)
            }
        }
    }
}

fn open_system(socket: &Path, helper: &Path) -> Result<HelperConnection, Error> {
    match open_socket(socket) {
        Err(Errno::NOENT) if helper.exists() => start(Command::new(helper), helper, PATIENCE),
        Err(Errno::NOENT) => Err(hints::nothing_installed(socket, helper)),
        Err(errno) => Err(hints::socket(socket, errno)),
        Ok(connection) => Ok(connection),
    }
}

fn open_socket(path: &Path) -> Result<HelperConnection, Errno> {
    let deadline = Instant::now() + PATIENCE;
    let socket = packet::connect_to(path, deadline)?;
    Ok(HelperConnection { socket, deadline, name: path.display().to_string(), started: None })
}

fn start(mut command: Command, path: &Path, patience: Duration) -> Result<HelperConnection, Error> {
    let (near, far) = packet::pair().map_err(|errno| Error::system("socketpair", errno))?;
    let mut errors = None;
    // pkexec talks to the person.
    if path != Path::new("pkexec") {
        let file = process::scratch().map_err(|error| Error::system("memfd_create", error))?;
        let copy = file.try_clone().map_err(|error| Error::system("dup", error))?;
        // A helper believes an outer sudo's SUDO_UID, or PKEXEC_UID, about who starts it here.
        // pkexec itself passes on neither, and sets its own.
        command.env_clear().stderr(copy);
        errors = Some(file);
    }
    let child = process::spawn(&mut command, far).map_err(|error| not_started(path, error))?;
    // The command holds a copy of the helper's end; with it open no end of the connection would
    // ever be seen.
    drop(command);
    Ok(HelperConnection {
        socket: near,
        deadline: Instant::now() + patience,
        name: path.display().to_string(),
        started: Some(Started { child, path: path.to_owned(), errors }),
    })
}

fn not_started(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => hints::helper_missing(path),
        io::ErrorKind::PermissionDenied => hints::helper_barred(path),
        _ if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => Error::new(
            Kind::NotInstalled,
            path.display().to_string(),
            format!("{} is not a program for this machine: {error}", path.display()),
        ),
        // The client's own want, of descriptors or processes: no word about the helper.
        _ => Error::system(&format!("starting {}", path.display()), error),
    }
}

impl HelperConnection {
    /// The helper has answered: its first process is about to exit, and is reaped; the connection
    /// stays.
    pub(crate) fn part(self) -> OwnedFd {
        self.socket
    }

    /// The connection ended without an answer: says why, as far as can be told.
    pub(crate) fn ended(self) -> Error {
        let Some(mut started) = self.started else { return hints::hung_up(&self.name) };
        let status = process::reap(&mut started.child, Instant::now() + PARTING);
        let said = started.errors.as_mut().and_then(process::last_line);
        hints::helper_ended(&started.path, status, said)
    }
}
