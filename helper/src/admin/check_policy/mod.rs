// SPDX-License-Identifier: MIT OR Apache-2.0
//! `check-policy`: whether the policy can be used, and what it grants a user.

mod reach;
mod report;
mod subject;

use std::path::Path;

use xsk_proto::Refused;

use super::CheckPolicy;
use crate::error::{CommandFault, Failure};
use crate::isolation::service::{self, ServiceUser};
use crate::paths;
use crate::policy::system::System;
use crate::policy::{Answer, Denied, Names, Policy, PolicyError, Principal, Rule};
pub use report::Report;

const UNUSABLE: &str = "until this is mended nobody is served";
const CONFINED: &str = "AppArmor has the helper read below /etc/xsk-helper alone: try the file there (beside policy.toml it counts for nobody), or allow its path in /etc/apparmor.d/local/usr.libexec.xsk-helper";

/// Reads the policy as the service user, and says what is in it, or what it says about a user.
pub(super) fn check(arguments: &CheckPolicy) -> Result<Report, Failure> {
    // What root can read, and the service cannot, stops the service.
    service::enter_to_read(ServiceUser::find()?)?;
    let path = arguments.file.as_deref().unwrap_or(Path::new(paths::POLICY));
    let policy = Policy::load_from(path).map_err(|error| {
        // The modes let the service user read it.
        let hint = if error.errno == Some(libc::EACCES) { CONFINED } else { UNUSABLE };
        fault(&error, hint)
    })?;
    let mut report = summary(&policy, path);
    if let Some(given) = &arguments.subject {
        let (subject, failure) = subject::explain(&policy, &given.user, given.ifname.as_deref())?;
        report.user = Some(subject);
        report.failure = failure.or(report.failure);
    }
    report.error = report.failure.as_ref().map(Into::into);
    Ok(report)
}

/// Returns whether the service can use this text in a file of the policy, whatever the other files
/// say.
///
/// # Errors
/// What is wrong with it.
pub fn check_draft(path: &Path, text: &str) -> Result<(), Refused> {
    let mut policy = Policy::default();
    let place = path.display().to_string();
    policy.add(&place, text).map_err(|error| fault(&error, UNUSABLE).refused())?;
    let report = summary(&policy, path);
    print!("{report}");
    Ok(report.into_result()?)
}

fn fault(error: &PolicyError, hint: &'static str) -> Failure {
    CommandFault::Policy { place: error.place.clone(), fault: error.to_string(), hint }.into()
}

/// How many rules there are, and whether all names of the deny rules are somebody's.
fn summary(policy: &Policy, path: &Path) -> Report {
    let mut unknown = Vec::new();
    for rule in policy.deny.iter().chain(&policy.allow) {
        unknown.extend(names(rule, &rule.users, |name| Ok(System.user(name)?.is_some())));
        unknown.extend(names(rule, &rule.groups, |name| Ok(System.group(name)?.is_some())));
    }
    let denied = policy.resolve_denied(&System).err();
    let failure = denied.map(|denied| match &denied {
        Denied::UnknownName { rule, .. } | Denied::Unanswered { rule, .. } => {
            in_policy(rule, &denied)
        }
        _ => in_policy(paths::POLICY, &denied),
    });
    Report {
        file: path.display().to_string(),
        allow: policy.allow.len(),
        deny: policy.deny.len(),
        names: unknown,
        failure,
        ..Report::default()
    }
}

/// Which names of a rule are nobody's, and which may be somebody's.
fn names(rule: &Rule, list: &[Principal], is_known: impl Fn(&str) -> Answer<bool>) -> Vec<String> {
    let named = list.iter().filter_map(|principal| match principal {
        Principal::Name(name) => Some(name),
        Principal::Number(_) => None,
    });
    let line = |name: &String| match is_known(name) {
        Ok(true) => None,
        Ok(false) => Some(format!("{}: nobody is called '{name}'", rule.label)),
        Err(error) => Some(format!("{}: {error}", rule.label)),
    };
    named.filter_map(line).collect()
}

fn in_policy(place: &str, denied: &Denied) -> Failure {
    let hint = match denied {
        Denied::UnknownName { .. } => "correct the name, or take it out",
        Denied::Unanswered { .. } => {
            "see what the services of passwd and group in /etc/nsswitch.conf say: getent passwd NAME"
        }
        _ => "see the rules: /etc/xsk-helper/policy.toml and policy.d, and xsk-policy.toml(5)",
    };
    CommandFault::Policy { place: place.to_owned(), fault: denied.to_string(), hint }.into()
}
