// SPDX-License-Identifier: MIT OR Apache-2.0
//! There are as many of something as there may be, or the machine can do no more just now.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused};

use super::{Cause, HELPER, say};
use crate::paths;

/// What there are enough of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Leases of a user, under the policy.
    Leases { uid: u32, most: u32 },
    /// Connections of a user, under the policy.
    Connections { uid: u32, most: u32 },
    /// Connections of a user that wait at the gate.
    WaitingOfUser { uid: u32, most: usize },
    /// Connections of all users that wait at the gate.
    Waiting { most: usize },
    /// Processes: the service manager starts none for the connection.
    Processes(Cause),
    /// Descriptors of the service user's on their way through connections (unix(7), ETOOMANYREFS).
    Descriptors,
}

impl Limit {
    pub(super) fn refused(&self) -> Refused {
        match self {
            Self::Leases { uid, most } => say(
                Code::Limit,
                "leases",
                format!("uid {uid} has {most} leases, as many as the policy allows"),
                "end one of them, or have max_leases raised in the rule",
            ),
            Self::Connections { uid, most } => say(
                Code::Limit,
                "connections",
                format!("uid {uid} has {most} connections, as many as the policy allows"),
                "close one of them first",
            ),
            Self::WaitingOfUser { uid, most } => {
                let message = format!("{most} connections of uid {uid} are waiting already");
                say(Code::Limit, "connections", message, "try again later")
            }
            Self::Waiting { most } => {
                let message = format!("{most} connections of all users are waiting already");
                say(Code::Limit, "connections", message, "try again later")
            }
            Self::Processes(cause) => {
                let message = format!("no process can be started for the connection: {cause}");
                say(Code::Busy, paths::INSTANCES, message, "try again")
            }
            Self::Descriptors => say(
                Code::Busy,
                HELPER,
                "more sockets than LimitNOFILE= of the helper are on their way to clients that do not take them",
                "try again; if it stays so, as root end the leases of those clients: xsk-helper revoke --user NAME",
            ),
        }
    }
}
