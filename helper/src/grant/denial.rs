// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a client is told of a refusal by the policy: the same whether there is such an interface or
//! not, and nothing of a rule that is not about the client. The details are for the log, and for
//! `check-policy`.
#![forbid(unsafe_code)]

use xsk_proto::Code;

use crate::audit::{Line, What};
use crate::error::Failure;
use crate::paths;
use crate::policy::Denied;

/// The refusal.
pub(super) fn failure(denied: &Denied, uid: u32, ifname: &str) -> Failure {
    let message = match denied {
        Denied::NoRule | Denied::ByRule(_) => format!("the policy does not allow uid {uid} to use {ifname}"),
        Denied::Detail(detail) => detail.clone(),
        Denied::UnknownName { rule, name } => {
            return Failure::new(
                Code::Policy,
                paths::POLICY,
                format!("{rule}: the deny rule names '{name}', whom nobody knows, so nobody is served"),
            )
            .hint("as root: xsk-helper check-policy");
        }
        Denied::Unanswered { .. } => return unanswered(denied),
    };
    Failure::new(Code::NotAllowed, ifname, message)
        .hint(format!("the administrator can add a rule to {}", paths::POLICY))
}

fn unanswered(denied: &Denied) -> Failure {
    Line::new(What::Error).with("policy", denied).log();
    let message = "the user database, which the policy needs, does not answer, so nobody is served";
    Failure::new(Code::Policy, paths::POLICY, message)
        .hint("try again; if it stays so, as root: xsk-helper check-policy")
}
