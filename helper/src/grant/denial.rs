// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the policy's refusal to what a client is told of it. The rest is for the log.
#![forbid(unsafe_code)]

use crate::audit::{Line, What};
use crate::error::PolicyFault;
use crate::policy::{Denied, Detail};

/// The refusal.
pub(super) fn fault(denied: &Denied, uid: u32, ifname: &str) -> PolicyFault {
    let name = ifname.to_owned();
    match denied {
        Denied::NoRule | Denied::ByRule(_) => PolicyFault::NotAllowed { uid, name },
        Denied::Detail(Detail { text, key, rule }) => {
            PolicyFault::Detail { text: text.clone(), key: key.clone(), rule: rule.clone() }
        }
        Denied::UnknownName { .. } => {
            log(denied);
            PolicyFault::UnknownName
        }
        Denied::Unanswered { .. } => {
            log(denied);
            PolicyFault::Unanswered
        }
    }
}

fn log(denied: &Denied) {
    Line::new(What::Error).with("policy", denied).log();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn a_name_that_nobody_has_is_not_told() {
        let denied = Denied::UnknownName { rule: "policy.toml:7".into(), name: "mallory".into() };
        let said = format!("{:?}", Failure::from(fault(&denied, 1000, "eth1")).refused());
        assert!(
            !said.contains("mallory") && !said.contains(":7") && !said.contains("eth1"),
            "{said}"
        );
        assert!(said.contains("nobody is served") && said.contains("check-policy"), "{said}");
    }
}
