// SPDX-License-Identifier: MIT OR Apache-2.0
//! `listen`: for hosts without systemd, and containers. Each connection gets a process of its own,
//! as with systemd. The listener itself holds no client's state, and killing it ends no lease.
//!
//! The next process is forked before its client connects and waits in accept(2), because a fork
//! takes as long as a grant. The one after it is forked when that process has answered its client,
//! so that both do not compete for the processors; but at most [`TURN`] after the client connected,
//! and at once if other clients wait.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen as listen_on,
    socket,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{Pid, setsid};

use super::Listen;
use crate::audit;
use crate::caller::Entry;
use crate::connection::Connection;
use crate::error::{CommandFault, Failure};
use crate::isolation::{self, entry};
use crate::policy::Names;
use crate::policy::system::System;
use crate::serve::{self, Ready, Terms};
use crate::service_process::as_service;
use crate::sys::process::{self, Fork};
use crate::sys::sockets;

/// How long to wait if the machine is short of processes or descriptors.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a client has the listener's processors to itself if no other client waits. A grant
/// takes less if the program is on the interface already.
const TURN: TimeSpec = TimeSpec::new(0, 5_000_000);
/// How many connections may wait. Each takes a fork, one after the other, so this also bounds how
/// long a user waits behind others who connect without end. Beyond it connect(2) waits, or returns
/// EAGAIN.
const BACKLOG: i32 = 32;
/// How long another listener is given to end.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(50);

/// Listens until it is killed.
pub(crate) fn listen(arguments: &Listen) -> Result<(), Failure> {
    let path = absolute(&arguments.socket)?;
    let policy = arguments.policy.as_deref().map(absolute).transpose()?;
    let terms = Terms { entry: Entry::Accepted, policy, unit: false };
    isolation::prepare_folders()?;
    let listener = open(&path, arguments)?;
    as_service()?;
    leave_input()?;
    audit::open(io::stderr().as_fd().try_clone_to_owned().ok().map(Into::into));
    entry::leave_directory()?;
    process::discard_children();
    let _ = process::set_name(c"xsk-listen");
    eprintln!("xsk-helper: listening on {}", path.display());
    loop {
        // Too many processes or descriptors: others end, and then there is room again.
        if wait_for_client(&listener, &terms).is_err() {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Replaces the standard input, so that no keeper inherits it.
fn leave_input() -> Result<(), Failure> {
    let null = File::open("/dev/null").and_then(|null| Ok(nix::unistd::dup2_stdin(null)?));
    null.map_err(|error| Failure::sys("opening /dev/null", error))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::sys_of("reading the path", path.display().to_string(), error))
}

/// Forks a process for the next client, and returns when that process has a client or has ended
/// without one.
fn wait_for_client(listener: &OwnedFd, terms: &Terms) -> io::Result<()> {
    let listening = nix::unistd::getpid();
    let (over, busy) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let turn = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    if process::fork()? == Fork::Child {
        drop(over);
        process::exit_now(serve_next(listener, (busy, turn), listening, terms).map_or(1, |()| 0));
    }
    drop(busy);
    let mut set = [over.as_fd(), turn.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    Ok(poll(&mut set, PollTimeout::NONE).map(drop)?)
}

/// Waits for a client and serves it. While it waits it is killed with its listener; once it has a
/// client it holds nothing of the listener's, above all not its address. The timer, or the closed
/// end of the pipe, tells the listener that there is a client.
fn serve_next(
    listener: &OwnedFd,
    (busy, turn): (OwnedFd, TimerFd),
    listening: Pid,
    terms: &Terms,
) -> io::Result<()> {
    setsid()?;
    process::end_with_parent(true)?;
    if nix::unistd::getppid() != listening {
        return Ok(());
    }
    let ready = if somebody_waits(listener) { Ready::new(terms) } else { Ready::prepared(terms) };
    let connection = accept(listener);
    let busy = if somebody_waits(listener) {
        drop(busy);
        None
    } else {
        turn.set(Expiration::OneShot(TURN), TimerSetTimeFlags::empty())?;
        Some(busy)
    };
    drop(turn);
    process::end_with_parent(false)?;
    nix::unistd::close(listener.as_raw_fd())?;
    // Shows in ps(1) that the process has a client.
    let _ = process::set_name(c"xsk-helper");
    serve::serve(Connection::new(connection), ready.until_answered(busy));
    Ok(())
}

fn somebody_waits(listener: &OwnedFd) -> bool {
    let mut set = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut set, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Waits as long as it takes. A client that is gone already, or a machine that is out of
/// descriptors, does not end the listener.
fn accept(listener: &OwnedFd) -> OwnedFd {
    loop {
        match sockets::accept(listener.as_fd()) {
            Ok(connection) => return connection,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Binds the address. Replaces a socket that no process listens on any more.
fn open(path: &Path, arguments: &Listen) -> Result<OwnedFd, Failure> {
    let failed = |error: io::Error| Failure::sys_of("listening", path.display().to_string(), error);
    let group = group(&arguments.socket_group)?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let new = |flags| {
        socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
            .map_err(|error| failed(error.into()))
    };
    let address = UnixAddr::new(path).map_err(|error| failed(error.into()))?;
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        // A listener on another type of socket refuses too, but with another error.
        let refused = Err(nix::errno::Errno::ECONNREFUSED);
        if is_taken(|| {
            Ok(connect(new(flags | SockFlag::SOCK_NONBLOCK)?.as_raw_fd(), &address) != refused)
        })? {
            return Err(CommandFault::Listening { path: path.display().to_string() }.into());
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = new(flags)?;
    bind(listener.as_raw_fd(), &address).map_err(|error| failed(error.into()))?;
    // The socket was made under a umask of 077, so no other user could connect until now.
    if nix::unistd::geteuid().is_root() {
        chown(path, None, Some(group)).map_err(failed)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(arguments.socket_mode))
        .map_err(failed)?;
    let backlog = Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN);
    listen_on(&listener, backlog).map_err(|error| failed(error.into()))?;
    Ok(listener)
}

/// A listener that was just killed keeps the address until its last process has ended.
fn is_taken(answered: impl Fn() -> Result<bool, Failure>) -> Result<bool, Failure> {
    for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
        if !answered()? {
            return Ok(false);
        }
        std::thread::sleep(STEP);
    }
    answered()
}

fn group(name: &str) -> Result<u32, Failure> {
    let found = System.group(name).map_err(|error| CommandFault::unanswered(name, &error))?;
    found
        .map(|group| group.gid)
        .ok_or_else(|| CommandFault::NoGroup { name: name.to_owned() }.into())
}
