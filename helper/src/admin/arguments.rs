// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arguments of a command. `xsk-helper-admin` parses them from the command line: a program that
//! users start links no argument parser.
#![forbid(unsafe_code)]

use std::path::PathBuf;

/// A command.
#[derive(Debug)]
pub enum Command {
    /// Accept connections, and serve each in a process of its own.
    Listen(Listen),
    /// Remove what a killed helper left behind.
    Reap,
    /// End leases.
    Revoke(Revoke),
}

/// What `listen` is given.
#[derive(Debug)]
pub struct Listen {
    /// Where to listen.
    pub socket: PathBuf,
    /// The policy, instead of the usual one.
    pub policy: Option<PathBuf>,
    /// The socket's mode.
    pub socket_mode: u32,
    /// The socket's group.
    pub socket_group: String,
}

/// What `check-policy` is given.
#[derive(Debug)]
pub struct CheckPolicy {
    /// The policy, instead of the usual one.
    pub file: Option<PathBuf>,
    /// A user to ask about.
    pub subject: Option<Subject>,
}

/// The user that `check-policy` is asked about.
#[derive(Debug)]
pub struct Subject {
    /// Their name or number.
    pub user: String,
    /// An interface.
    pub ifname: Option<String>,
}

/// What `revoke` is given.
#[derive(Debug)]
pub struct Revoke {
    /// The interface; without it, every interface.
    pub ifname: Option<String>,
    /// Only the lease that has this queue.
    pub queue: Option<u32>,
    /// Only the leases of this user, by name or number.
    pub user: Option<String>,
    /// Only the lease with this number.
    pub lease: Option<u64>,
    /// End the processes of the leases' users that hold the sockets.
    pub kill: bool,
}
