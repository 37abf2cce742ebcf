// SPDX-License-Identifier: MIT OR Apache-2.0
//! `check-policy`: whether the policy can be used, and what it grants somebody.

use std::ffi::CString;
use std::path::Path;

use nix::unistd::{User, getgrouplist};
use xsk_proto::{Code, ModeRequest};

use crate::cli::CheckPolicy;
use crate::error::Failure;
use crate::paths;
use crate::policy::names::System;
use crate::policy::rule::{Confine, Principal, QueueSet};
use crate::policy::{Denied, Names, Policy, Question, Rule};

const UNUSABLE: &str = "until this is mended nobody is served";
/// What root is told by the kernel for one reason alone.
const DENIED: &str = "Permission denied";
const CONFINED: &str = "AppArmor has the helper read below /etc/xsk-helper alone: try the file there (beside policy.toml it counts for nobody), or allow its path in /etc/apparmor.d/local/usr.libexec.xsk-helper";

pub(crate) fn check(arguments: &CheckPolicy) -> Result<(), Failure> {
    let path = arguments.file.as_deref().unwrap_or(Path::new(paths::POLICY));
    let policy = Policy::load_from(path).map_err(|error| {
        let hint = if error.message.contains(DENIED) { CONFINED } else { UNUSABLE };
        Failure::new(Code::Policy, &error.place, error.to_string()).hint(hint)
    })?;
    match arguments.subject.as_deref() {
        Some([user, ifname]) => explain(&policy, user, ifname),
        _ => summary(&policy, path),
    }
}

fn summary(policy: &Policy, path: &Path) -> Result<(), Failure> {
    println!("{}: {} allow rules, {} deny rules", path.display(), policy.allow.len(), policy.deny.len());
    let mut stopped = None;
    for rule in policy.deny.iter().chain(&policy.allow) {
        for name in unknown_names(rule) {
            println!("{}: nobody is called '{name}'", rule.label);
        }
    }
    for rule in &policy.deny {
        stopped =
            stopped.or_else(|| unknown_names(rule).into_iter().next().map(|name| (rule.label.clone(), name)));
    }
    match stopped {
        None => Ok(()),
        Some((rule, name)) => Err(Failure::new(
            Code::Policy,
            &rule,
            format!("{rule}: the deny rule names '{name}', whom nobody knows, so nobody is served"),
        )
        .hint("correct the name, or take it out")),
    }
}

fn unknown_names(rule: &Rule) -> Vec<String> {
    let users = rule.users.iter().filter_map(|user| match user {
        Principal::Name(name) if System.user(name).is_none() => Some(name.clone()),
        _ => None,
    });
    let groups = rule.groups.iter().filter_map(|group| match group {
        Principal::Name(name) if System.group(name).is_none() => Some(name.clone()),
        _ => None,
    });
    users.chain(groups).collect()
}

/// The user's number and all his groups, as a login would give them to him.
fn identity(name: &str) -> Result<(u32, Vec<u32>), Failure> {
    let unknown = || {
        Failure::new(Code::Policy, name, format!("there is no user '{name}'"))
            .hint("a name or a number; see: getent passwd")
    };
    let user = match name.parse::<u32>() {
        Ok(uid) => match User::from_uid(uid.into()) {
            Ok(Some(user)) => user,
            _ => return Ok((uid, vec![])),
        },
        Err(_) => User::from_name(name).ok().flatten().ok_or_else(unknown)?,
    };
    let login = CString::new(user.name.clone()).map_err(|_| unknown())?;
    let groups = getgrouplist(&login, user.gid).unwrap_or_else(|_| vec![user.gid]);
    Ok((user.uid.as_raw(), groups.iter().map(|gid| gid.as_raw()).collect()))
}

fn explain(policy: &Policy, user: &str, ifname: &str) -> Result<(), Failure> {
    let (uid, groups) = identity(user)?;
    let refused = |message: String| {
        let hint = "see the rules: /etc/xsk-helper/policy.toml and policy.d, and xsk-policy.toml(5)";
        Err(Failure::new(Code::NotAllowed, ifname, message).hint(hint))
    };
    // The least that can be asked for under each rule: its first queue, any mode.
    let question = |first_queue| Question {
        uid,
        groups: &groups,
        ifname,
        first_queue,
        queues: 1,
        mode: ModeRequest::Auto,
        promisc: false,
        busy_poll: false,
    };
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
        Err(Denied::NoRule) => refused(format!("no rule allows {user} (uid {uid}) to use {ifname}")),
        Err(Denied::ByRule(rule)) => refused(format!("{user} (uid {uid}) is denied {ifname} by {rule}")),
        Err(Denied::UnknownName { rule, name }) => {
            refused(format!("{rule}: the deny rule names '{name}', whom nobody knows, so nobody is served"))
        }
        Err(Denied::Detail(detail)) => refused(detail),
    }
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
