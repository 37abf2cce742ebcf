// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program is not installed or not started as it has to be.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused};

use super::{Cause, HELPER, say};
use crate::paths::{self, SERVICE_USER};

/// What is wrong with how the program was installed or started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetupFault {
    /// There is no service user.
    NoServiceUser,
    /// The user database does not answer about the service user.
    UnknownServiceUser { error: String },
    /// A folder is missing, and a helper that is not root cannot make it.
    NoFolder(&'static str),
    /// The caller runs under no_new_privs, so the setuid bit gave nothing.
    NoNewPrivileges,
    /// Nothing gave this copy of the program a capability.
    NoPrivileges,
    /// Some capabilities are missing.
    Lacks(Vec<String>),
    /// Resource limits are too small to work with.
    Limits(Vec<&'static str>),
    /// The program cannot become the service user.
    BecomeUser(Cause),
    /// The program for root's commands cannot be executed.
    NoAdmin(Cause),
}

impl SetupFault {
    pub(super) fn refused(&self) -> Refused {
        let not_installed = |object: &str, message: String, hint: String| {
            say(Code::NotInstalled, object, message, hint)
        };
        let unprivileged =
            |message: String, hint: &str| say(Code::NotPrivileged, HELPER, message, hint);
        let internal = |message: String, hint: &str| say(Code::Internal, HELPER, message, hint);
        match self {
            Self::NoServiceUser => not_installed(
                SERVICE_USER,
                format!("the service user '{SERVICE_USER}' does not exist"),
                format!(
                    "as root: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {SERVICE_USER}"
                ),
            ),
            Self::UnknownServiceUser { error } => say(
                Code::Internal,
                SERVICE_USER,
                error,
                format!("see what the services of passwd in /etc/nsswitch.conf say: getent passwd {SERVICE_USER}"),
            ),
            Self::NoFolder(path) => not_installed(
                path,
                format!("the folder {path} is missing, and a helper that is not root cannot make it"),
                "as root: xsk-helper reap (which makes the folders and mounts the bpffs), after each boot; or use the \
                 packaged units"
                    .into(),
            ),
            Self::NoNewPrivileges => unprivileged(
                "the helper has no privileges because its caller runs under no_new_privs".into(),
                "use the system socket (systemctl enable --now xsk-helper.socket), or start it without no_new_privs",
            ),
            Self::NoPrivileges => unprivileged(
                "the helper has no privileges: this copy of it is not setuid root and has no file capabilities, or its \
                 file system is mounted nosuid"
                    .into(),
                "use the system socket. The installed helper alone may be setuid: chown root:xsk \
                 /usr/libexec/xsk-helper && chmod 4750 /usr/libexec/xsk-helper",
            ),
            Self::Lacks(missing) => unprivileged(
                format!("the helper lacks {}", missing.join(", ")),
                "add what is missing to AmbientCapabilities= of the unit, or to the file's capabilities",
            ),
            Self::Limits(small) => internal(
                format!("raising resource limits: {} is too small to work with", small.join(", ")),
                "start it from a shell with the usual limits (ulimit -a), or use the system socket",
            ),
            Self::BecomeUser(cause) => internal(
                format!("becoming the service user: {cause}"),
                "give the helper CAP_SETUID and CAP_SETGID too, or start it setuid root",
            ),
            Self::NoAdmin(cause) => not_installed(
                paths::ADMIN,
                format!("{}, which does what arguments say, cannot be executed: {cause}", paths::ADMIN),
                "install it: make install, or the package xsk-helper".into(),
            ),
        }
    }
}
