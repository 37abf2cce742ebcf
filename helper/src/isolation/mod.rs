// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns the process that the caller started into one that can do a single thing, in this order:
//!
//! 1. [`entry::enter`]. *After it*: nothing of the caller's environment, signals, timers, mask,
//!    limits or descriptors is left but the three standard ones; no other process of the caller can
//!    read this one.
//! 2. [`entry::detach`], unless the real uid is the service user's. *After it*: not a child of the
//!    caller's, not in the caller's session, and if the program is setuid root the caller cannot
//!    signal it any more. Nothing of how the caller is scheduled is left, nor is the process in the
//!    caller's control group, as far as root may change that.
//! 3. [`folders::prepare`], only as root. *After it*: the folders under `/run/xsk-helper` exist,
//!    belong to the service user, and `bpf` is a bpffs.
//! 4. [`service::enter`]. *After it*: the service user in all uids and gids, no other group but the
//!    socket's, the permitted set [`service::KEPT`] and what optional features need, effective,
//!    inheritable, ambient and bounding sets empty, no_new_privs, not dumpable: each read back.
//!    From here on locks may be taken, and nothing is written to a stream of the caller's any more:
//!    only a manager of services has it kept, for the log. Then
//!    [`guard::prepare`](crate::guard::prepare). *After it*: CAP_PERFMON is given up as well.
//! 5. [`renounce`], once the sockets are handed over. *After it*: no capability in any set, no
//!    stream, no right to files ([`landlock`]) but to remove what is its own, and only the system
//!    calls of a keeper.

mod cgroup;
pub(crate) mod entry;
pub(crate) mod folders;
pub(crate) mod invoker;
pub(crate) mod landlock;
pub(crate) mod service;

use std::io;
use std::os::fd::AsFd;

use caps::{CapSet, errors::CapsError};

use crate::error::Failure;

/// The third stage if the process is root; otherwise root has to have prepared the folders.
pub(crate) fn prepare_folders() -> Result<(), Failure> {
    if nix::unistd::geteuid().is_root() {
        folders::prepare(service::ServiceUser::find()?)
    } else {
        // A fault of the program itself is reported first.
        service::privileged()?;
        folders::expect()
    }
}

/// Gives up every capability for good. The bounding set and no_new_privs were dealt with before.
pub(crate) fn drop_capabilities() -> Result<(), CapsError> {
    caps::clear(None, CapSet::Effective)?;
    caps::clear(None, CapSet::Permitted)
}

/// The fifth stage: what holds a lease has no capability and no stream.
pub(crate) fn renounce() -> Result<(), Failure> {
    drop_capabilities().map_err(|error| Failure::sys("giving up the capabilities", error))?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        match caps::read(None, set) {
            Ok(left) if left.is_empty() => {}
            _ => return Err(Failure::sys("giving up the capabilities", "some are left")),
        }
    }
    silence()
}

/// Points output and errors at /dev/null; the input is the connection. The caller's stream may be a
/// pipe that is never emptied: a process that wrote to it would block, with its locks held.
pub(crate) fn silence() -> Result<(), Failure> {
    let turn = || -> io::Result<()> {
        let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        nix::unistd::dup2_stdout(null.as_fd())?;
        nix::unistd::dup2_stderr(null.as_fd())?;
        Ok(())
    };
    turn().map_err(|error| Failure::sys("opening /dev/null", error))
}
