// SPDX-License-Identifier: MIT OR Apache-2.0
//! `check-policy`: whether the policy can be used, and what it grants somebody.

use std::path::Path;

use xsk_proto::Refused;

use super::CheckPolicy;
use crate::error::{CommandFault, Failure};
use crate::isolation::service::{self, ServiceUser};
use crate::paths;
use crate::policy::rule::{Confine, Principal, QueueSet};
use crate::policy::system::{System, account, account_of, groups};
use crate::policy::{Answer, Denied, Names, Policy, PolicyError, Question, Rule, Unanswered};

const UNUSABLE: &str = "until this is mended nobody is served";
const CONFINED: &str = "AppArmor has the helper read below /etc/xsk-helper alone: try the file there (beside policy.toml it counts for nobody), or allow its path in /etc/apparmor.d/local/usr.libexec.xsk-helper";

pub(crate) fn check(arguments: &CheckPolicy) -> Result<(), Failure> {
    // What root can read, and the service cannot, stops the service.
    service::enter_to_read(ServiceUser::find()?)?;
    let path = arguments.file.as_deref().unwrap_or(Path::new(paths::POLICY));
    let policy = Policy::load_from(path).map_err(|error| {
        // The modes let the service user read it.
        let hint = if error.errno == Some(libc::EACCES) { CONFINED } else { UNUSABLE };
        fault(&error, hint)
    })?;
    match &arguments.subject {
        Some((user, ifname)) => explain(&policy, user, ifname),
        None => summary(&policy, path),
    }
}

/// Whether the service can use this text in a file of the policy, whatever the other files say.
///
/// # Errors
/// What is wrong with it.
pub fn check_draft(path: &Path, text: &str) -> Result<(), Refused> {
    let mut policy = Policy::default();
    let place = path.display().to_string();
    policy.add(&place, text).map_err(|error| fault(&error, UNUSABLE).refused())?;
    Ok(summary(&policy, path)?)
}

fn fault(error: &PolicyError, hint: &'static str) -> Failure {
    CommandFault::Policy { place: error.place.clone(), fault: error.to_string(), hint }.into()
}

fn summary(policy: &Policy, path: &Path) -> Result<(), Failure> {
    println!("{}: {} allow rules, {} deny rules", path.display(), policy.allow.len(), policy.deny.len());
    for rule in policy.deny.iter().chain(&policy.allow) {
        names(rule, &rule.users, |name| Ok(System.user(name)?.is_some()));
        names(rule, &rule.groups, |name| Ok(System.group(name)?.is_some()));
    }
    policy.resolve_denied(&System).map_err(|denied| match &denied {
        Denied::UnknownName { rule, .. } | Denied::Unanswered { rule, .. } => in_policy(rule, &denied),
        _ => in_policy(paths::POLICY, &denied),
    })
}

/// Says which names of a rule are nobody's, and which may be somebody's.
fn names(rule: &Rule, list: &[Principal], is_known: impl Fn(&str) -> Answer<bool>) {
    let named = list.iter().filter_map(|principal| match principal {
        Principal::Name(name) => Some(name),
        Principal::Number(_) => None,
    });
    for name in named {
        match is_known(name) {
            Ok(true) => {}
            Ok(false) => println!("{}: nobody is called '{name}'", rule.label),
            Err(error) => println!("{}: {error}", rule.label),
        }
    }
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

/// The user's number, and all groups that a login would give them.
fn identity(name: &str) -> Result<(u32, Vec<u32>), Failure> {
    let unknown = || CommandFault::NoUser { name: name.to_owned() };
    let failed =
        |error: Unanswered| CommandFault::Unanswered { name: name.to_owned(), error: error.to_string() };
    let account = match name.parse::<u32>() {
        Ok(uid) => match account_of(uid).map_err(failed)? {
            Some(account) => account,
            None => return Ok((uid, vec![])),
        },
        Err(_) => account(name).map_err(failed)?.ok_or_else(unknown)?,
    };
    Ok((account.uid, groups(&account)))
}

fn explain(policy: &Policy, user: &str, ifname: &str) -> Result<(), Failure> {
    let (uid, groups) = identity(user)?;
    // The least that can be asked for under each rule: its first queue, any mode.
    let question = |first_queue| Question { uid, groups: &groups, ifname, first_queue, ..Question::LEAST };
    let firsts = policy.allow.iter().map(|rule| match &rule.queues {
        QueueSet::All => 0,
        QueueSet::Ranges(ranges) => ranges.first().map_or(0, |range| *range.start()),
    });
    let mut denied = policy.decide(&question(0), &System).map(|allowed| allowed.rule.clone());
    for first in firsts {
        if denied.is_err() {
            let next = policy.decide(&question(first), &System).map(|allowed| allowed.rule.clone());
            denied = next.or(denied);
        }
    }
    match denied {
        Ok(rule) => {
            println!("{user} (uid {uid}) may use {ifname} by {}", rule.label);
            print!("{}", terms(&rule));
            Ok(())
        }
        Err(denied) => Err(not_granted(&denied, user, uid, ifname)),
    }
}

fn not_granted(denied: &Denied, user: &str, uid: u32, ifname: &str) -> Failure {
    let why = match denied {
        Denied::NoRule => format!("no rule allows {user} (uid {uid}) to use {ifname}"),
        Denied::ByRule(rule) => format!("{user} (uid {uid}) is denied {ifname} by {rule}"),
        Denied::Detail(detail) => detail.clone(),
        Denied::UnknownName { .. } | Denied::Unanswered { .. } => return in_policy(ifname, denied),
    };
    CommandFault::NotAllowed { name: ifname.to_owned(), why }.into()
}

fn terms(rule: &Rule) -> String {
    let queues = match &rule.queues {
        QueueSet::All => "all".to_owned(),
        QueueSet::Ranges(ranges) => {
            let ranges: Vec<String> = ranges.iter().map(|r| format!("{}-{}", r.start(), r.end())).collect();
            ranges.join(",")
        }
    };
    let modes: Vec<&str> = rule.modes.iter().map(|mode| mode.name()).collect();
    let confine = if rule.confine == Confine::Queue { "queue" } else { "device" };
    format!(
        "  queues {queues}, at most {} a lease, {} leases\n  modes {}, confinement {confine}\n  shared {}, promisc {}, busy polling {}, memlock up to {} MiB, linger {} s\n",
        rule.max_queues,
        rule.max_leases,
        modes.join(", "),
        rule.shared,
        rule.promisc,
        rule.busy_poll,
        rule.memlock >> 20,
        rule.linger.as_secs(),
    )
}
