// SPDX-License-Identifier: MIT OR Apache-2.0
//! A command of root's was given something that it cannot use.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused};

use super::say;
use crate::accounts::Unanswered;

/// What a command cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandFault {
    /// `listen`: another process listens there.
    Listening { path: String },
    /// `listen`: there is no such group.
    NoGroup { name: String },
    /// `revoke`: there is no such user.
    NoHolder { name: String },
    /// `revoke --kill`: the service user cannot look into other users' processes.
    KillByRoot,
    /// `check-policy`: there is no such user.
    NoUser { name: String },
    /// The user database does not answer about a user or a group.
    Unanswered { name: String, error: String },
    /// `check-policy`: the policy has a fault, or cannot be read.
    Policy { place: String, fault: String, hint: &'static str },
    /// `check-policy`: what the policy does not grant, as root is told it.
    NotAllowed { name: String, why: String },
}

impl CommandFault {
    pub(crate) fn unanswered(name: &str, error: &Unanswered) -> Self {
        Self::Unanswered { name: name.to_owned(), error: error.to_string() }
    }

    pub(super) fn refused(&self) -> Refused {
        match self {
            Self::Listening { path } => say(
                Code::Busy,
                path,
                format!("somebody listens on {path} already"),
                "stop that one first, or give another --socket",
            ),
            Self::NoGroup { name } => say(
                Code::NotInstalled,
                name,
                format!("there is no group '{name}'"),
                format!("as root: groupadd --system {name}, or give another --socket-group"),
            ),
            Self::NoHolder { name } => say(
                Code::NotAllowed,
                name,
                no_user(name),
                "a name or a number; see who has leases: xsk-client status",
            ),
            Self::KillByRoot => say(
                Code::NotPrivileged,
                "xsk-helper",
                "only root can end the processes that hold a socket",
                "as root: xsk-helper revoke --kill",
            ),
            Self::NoUser { name } => {
                say(Code::Policy, name, no_user(name), "a name or a number; see: getent passwd")
            }
            Self::Unanswered { name, error } => say(Code::Policy, name, error, "try again"),
            Self::Policy { place, fault, hint } => say(Code::Policy, place, fault, *hint),
            Self::NotAllowed { name, why } => say(
                Code::NotAllowed,
                name,
                why,
                "see the rules: /etc/xsk-helper/policy.toml and policy.d, and xsk-policy.toml(5)",
            ),
        }
    }
}

fn no_user(name: &str) -> String {
    format!("there is no user '{name}'")
}
