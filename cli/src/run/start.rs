// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command as it will be started, and how that fails: as env(1) has it.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use xsk_client::Error;
use xsk_client::descriptors::{lowered, survive_exec};
use xsk_client::lease_fds::{self, LeaseFds};
use xsk_command::Failure;

use super::leased::Leased;
use crate::sys::process;

/// The command was found and could not be run.
const NOT_RUN: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;

/// The command, and what its environment has besides ours.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) command: Vec<OsString>,
    pub(super) variables: Vec<(OsString, OsString)>,
    /// The descriptors of each lease, for a backend that the command starts.
    leases: Vec<LeaseFds>,
    /// The highest descriptor that it inherits for a lease.
    highest: Option<RawFd>,
}

impl Start {
    pub(super) fn new(command: Vec<OsString>) -> Self {
        Self { command, variables: Vec::new(), leases: Vec::new(), highest: None }
    }

    /// Puts the sockets of a lease into it, and lets them and the lease survive the exec.
    pub(super) fn take(&mut self, held: Leased) -> Result<(), Error> {
        let Leased { target, lease, .. } = held;
        // A container engine passes on so many descriptors from 3 on, and wants all of them open.
        let lowest = |fd| lowered(fd).map_err(|errno| Error::system("fcntl", errno));
        let connection = lowest(lease.connection)?;
        let sockets = lease.sockets.into_iter().map(lowest).collect::<Result<Vec<_>, _>>()?;
        let numbers: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        let text = target.netdev().with_sockets(lease.granted.mode, &numbers);
        target.put(&text, &mut self.command, &mut self.variables);
        self.leases.push(LeaseFds { connection: connection.as_raw_fd(), sockets: numbers });
        for fd in sockets.into_iter().chain([connection]) {
            self.highest = self.highest.max(Some(fd.as_raw_fd()));
            survive_exec(fd).map_err(|errno| Error::system("fcntl", errno))?;
        }
        Ok(())
    }

    /// Becomes the command; comes back where that failed.
    pub(super) fn become_it(mut self) -> Failure {
        if !self.leases.is_empty() {
            self.variables.push((lease_fds::VARIABLE.into(), lease_fds::text(&self.leases).into()));
        }
        // The descriptors from 3 on, as podman's --preserve-fds and the like count them.
        if let Some(highest) = self.highest {
            self.variables.push(("XSK_FDS".into(), (highest - 2).to_string().into()));
        }
        let mut words = self.command.into_iter();
        let program = words.next().unwrap_or_default();
        let arguments: Vec<OsString> = words.collect();
        not_run(&program, &process::become_program(&program, &arguments, &self.variables))
    }
}

/// The command's program cannot be run, or is not there.
pub(super) fn not_run(program: &OsStr, error: &io::Error) -> Failure {
    let program = program.to_string_lossy();
    if error.kind() == io::ErrorKind::NotFound {
        let failure =
            Failure::new(NOT_FOUND, "usage", &*program, format!("{program} is not found"));
        return failure.hint(format!("command -v {program}; echo $PATH"));
    }
    let failure =
        Failure::new(NOT_RUN, "usage", &*program, format!("cannot run {program}: {error}"));
    failure.hint(format!("ls -l {program}"))
}

/// Whether a failure is the command's, not ours.
pub(super) fn is_about_the_command(failure: &Failure) -> bool {
    [NOT_RUN, NOT_FOUND].contains(&failure.status)
}
