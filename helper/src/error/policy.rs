// SPDX-License-Identifier: MIT OR Apache-2.0
//! The policy does not allow it, or cannot be used. A client is told the same whether there is such
//! an interface or not, and nothing of a rule that is not about it; the details are for the log,
//! and for `check-policy`.
#![forbid(unsafe_code)]

use xsk_proto::{Code, Refused, param};

use super::say;
use crate::paths;

/// What a client is told of the policy, or of an option that it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicyFault {
    /// No rule allows this user this interface, or one denies it.
    NotAllowed { uid: u32, name: String },
    /// A rule allows the interface, and not so.
    Detail { text: String, key: String, rule: String },
    /// There is a fault in a file of the policy; `place` is the file and the line.
    UnusableFile { place: String },
    /// A deny rule has a name that nobody has.
    UnknownName,
    /// The user database does not answer.
    Unanswered,
    /// The user has no such lease.
    NoSuchLease { uid: u32 },
    /// This helper does not know the option.
    UnknownOption { name: String },
    /// The option's value is of another type.
    OptionType { name: String },
    /// The option's value is beyond 16 bits.
    OptionRange { name: String },
    /// The option is not a list of at most so many addresses.
    Macs { most: usize },
}

const AS_ROOT: &str = "as root: xsk-helper check-policy";

impl PolicyFault {
    pub(super) fn refused(&self) -> Refused {
        let add_rule = || format!("the administrator can add a rule to {}", paths::POLICY);
        match self {
            Self::NotAllowed { uid, name } => say(
                Code::NotAllowed,
                name,
                format!("the policy does not allow uid {uid} to use {name}"),
                add_rule(),
            ),
            // Its object tells a client that a rule is about its user and this interface.
            Self::Detail { text, key, rule } => say(
                Code::NotAllowed,
                rule,
                text,
                format!("the administrator can set {key} in {rule}"),
            ),
            Self::UnusableFile { place } => say(
                Code::Policy,
                place,
                format!("the policy cannot be used because of {place}, so nobody is served"),
                AS_ROOT,
            ),
            Self::UnknownName => say(
                Code::Policy,
                paths::POLICY,
                "the policy cannot be used, so nobody is served",
                AS_ROOT,
            ),
            Self::Unanswered => say(
                Code::Policy,
                paths::POLICY,
                "the user database, which the policy needs, does not answer, so nobody is served",
                format!("try again; if it stays so, {AS_ROOT}"),
            ),
            Self::NoSuchLease { uid } => say(
                Code::NotAllowed,
                "lease",
                format!("uid {uid} has no such lease"),
                "see your leases: xsk-client status; the administrator can revoke others': xsk-helper revoke",
            ),
            Self::UnknownOption { name } => {
                option(name, format!("this helper does not know the option '{name}'"), known())
            }
            Self::OptionType { name } => {
                option(name, format!("the option '{name}' has a value of another type"), known())
            }
            Self::OptionRange { name } => option(
                name,
                format!("the option '{name}' is at most 65535"),
                "the kernel's NAPI takes 64 frames at a time; microseconds are usually 20 to 200"
                    .into(),
            ),
            Self::Macs { most } => option(
                param::MACS,
                format!(
                    "the option '{}' is 1 to {most} addresses with commas, none of them a group's or zero",
                    param::MACS
                ),
                "write them as 52:54:00:12:34:56".into(),
            ),
        }
    }

    /// Every option that this helper knows.
    pub(crate) const OPTIONS: [&str; 8] = [
        param::FRAGS,
        param::PROMISC,
        param::ALLMULTI,
        param::MACS,
        param::ALONE,
        param::BUSY_POLL,
        param::BUSY_POLL_BUDGET,
        param::MEMLOCK,
    ];
}

fn option(name: &str, message: String, hint: String) -> Refused {
    say(Code::UnknownOption, name, message, hint)
}

fn known() -> String {
    format!("known options: {}", PolicyFault::OPTIONS.join(", "))
}
