// SPDX-License-Identifier: MIT OR Apache-2.0
//! `listen`: for hosts without systemd, and containers. A process a connection, as with systemd; the listener
//! itself holds nobody's state, and killing it ends no lease.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen as listen_on, socket,
};
use nix::unistd::{Group, setsid};
use xsk_proto::Code;

use crate::admin::as_service;
use crate::audit;
use crate::cli;
use crate::error::Failure;
use crate::isolation::entry;
use crate::serve::caller::Entry;
use crate::serve::connection::Connection;
use crate::serve::{self, Terms};
use crate::sys::process::{self, Fork};
use crate::sys::sockets;

/// Listens until it is killed.
pub(crate) fn listen(arguments: &cli::Listen) -> Result<(), Failure> {
    let path = absolute(&arguments.socket)?;
    let policy = arguments.policy.as_deref().map(absolute).transpose()?;
    let terms = Terms { entry: Entry::Trusted, policy, unit: false };
    crate::isolation::prepare_folders()?;
    let listener = open(&path, arguments)?;
    as_service()?;
    leave_input()?;
    audit::open(io::stderr().as_fd().try_clone_to_owned().ok().map(Into::into));
    entry::leave_directory()?;
    process::discard_children();
    eprintln!("xsk-helper: listening on {}", path.display());
    loop {
        match sockets::accept(listener.as_fd()) {
            Ok(connection) => serve_apart(connection, &listener, &terms),
            // Too many descriptors or processes: others end, and then there is room again.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                std::thread::sleep(Duration::from_millis(10))
            }
            Err(_) => {}
        }
    }
}

/// What the listener was started with as standard input is no keeper's affair.
fn leave_input() -> Result<(), Failure> {
    let null = File::open("/dev/null").and_then(|null| Ok(nix::unistd::dup2_stdin(null)?));
    null.map_err(|error| Failure::internal("opening /dev/null", error))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::internal("reading the path", error).object(path.display().to_string()))
}

/// The child serves, and does not come back.
fn serve_apart(connection: OwnedFd, listener: &OwnedFd, terms: &Terms) {
    if let Ok(Fork::Child) = process::fork() {
        // The listener's end goes with the listener: a keeper must not hold the address.
        let _ = nix::unistd::close(listener.as_raw_fd());
        if setsid().is_ok() {
            serve::serve(Connection::new(connection), terms);
        }
        process::exit_now(0);
    }
}

/// Binds the address, in the place of a socket that nobody listens on any more.
fn open(path: &Path, arguments: &cli::Listen) -> Result<OwnedFd, Failure> {
    let failed = |error: io::Error| Failure::internal("listening", error).object(path.display().to_string());
    let group = group(&arguments.socket_group)?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let new = || {
        socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(|error| failed(error.into()))
    };
    let address = UnixAddr::new(path).map_err(|error| failed(error.into()))?;
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        if connect(new()?.as_raw_fd(), &address).is_ok() {
            return Err(Failure::new(
                Code::Busy,
                path.display().to_string(),
                format!("somebody listens on {} already", path.display()),
            )
            .hint("stop that one first, or give another --socket"));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = new()?;
    bind(listener.as_raw_fd(), &address).map_err(|error| failed(error.into()))?;
    // Made under a mask of 077, so until here nobody else could connect.
    if nix::unistd::geteuid().is_root() {
        chown(path, None, Some(group)).map_err(failed)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(arguments.socket_mode)).map_err(failed)?;
    listen_on(&listener, Backlog::MAXCONN).map_err(|error| failed(error.into()))?;
    Ok(listener)
}

fn group(name: &str) -> Result<u32, Failure> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(Failure::new(Code::NotInstalled, name, format!("there is no group '{name}'"))
            .hint(format!("as root: groupadd --system {name}, or give another --socket-group"))),
    }
}
