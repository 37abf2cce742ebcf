// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a client is told of a refusal by the policy: the same whether there is such an interface or
//! not, and nothing of a rule that is not about the client. The details are for the log, and for
//! `check-policy`.
#![forbid(unsafe_code)]

use xsk_proto::Code;

use crate::audit::{Line, What};
use crate::error::Failure;
use crate::paths;
use crate::policy::{Denied, UNUSABLE};

/// The refusal.
pub(super) fn failure(denied: &Denied, uid: u32, ifname: &str) -> Failure {
    let message = match denied {
        Denied::NoRule | Denied::ByRule(_) => format!("the policy does not allow uid {uid} to use {ifname}"),
        Denied::Detail(detail) => detail.clone(),
        Denied::UnknownName { .. } => {
            return nobody(denied, UNUSABLE, "as root: xsk-helper check-policy");
        }
        Denied::Unanswered { .. } => {
            return nobody(denied, SILENT, "try again; if it stays so, as root: xsk-helper check-policy");
        }
    };
    Failure::new(Code::NotAllowed, ifname, message)
        .hint(format!("the administrator can add a rule to {}", paths::POLICY))
}

const SILENT: &str = "the user database, which the policy needs, does not answer, so nobody is served";

/// What everybody is told alike.
fn nobody(denied: &Denied, message: &str, hint: &str) -> Failure {
    Line::new(What::Error).with("policy", denied).log();
    Failure::new(Code::Policy, paths::POLICY, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_is_not_told() {
        let denied = Denied::UnknownName { rule: "policy.toml:7".into(), name: "mallory".into() };
        let said = format!("{:?}", failure(&denied, 1000, "eth1").refused());
        assert!(!said.contains("mallory") && !said.contains(":7") && !said.contains("eth1"), "{said}");
        assert!(said.contains("nobody is served") && said.contains("check-policy"), "{said}");
    }
}
