// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fixed places and names. No argument, variable or message of a caller's changes them.
#![forbid(unsafe_code)]

/// Everything of ours that lives until the next boot.
pub(crate) const RUN: &str = "/run/xsk-helper";
/// Lock files and the texts beside them; nobody but the service user gets in.
pub(crate) const LEASES: &str = "/run/xsk-helper/leases";
/// Where a service manager starts a process for each connection; the service user's alone.
pub(crate) const INSTANCES: &str = "/run/xsk-helper/instances";
/// A bpffs of our own, one folder an interface.
pub(crate) const BPF: &str = "/run/xsk-helper/bpf";
/// The system's socket.
pub(crate) const SOCKET: &str = "/run/xsk-helper/socket";
/// This program, where packages install it.
pub(crate) const HELPER: &str = "/usr/libexec/xsk-helper";
/// The user that the helper runs as.
pub(crate) const SERVICE_USER: &str = "_xsk-helper";
/// The policy.
pub(crate) const POLICY: &str = "/etc/xsk-helper/policy.toml";
/// Further rules, read in the order of their names.
pub(crate) const POLICY_FOLDER: &str = "policy.d";
/// The program that does what arguments say. It is installed with this one, below the prefix that
/// this was built for; it is not looked for beside this one, since a user can have a hard link to
/// this one beside a program of theirs.
pub(crate) const ADMIN: &str = match option_env!("XSK_ADMIN") {
    Some(path) => path,
    None => "/usr/libexec/xsk-helper-admin",
};
