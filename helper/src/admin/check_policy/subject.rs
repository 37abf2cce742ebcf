// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the policy says about one user: every rule, and whether one of them grants an interface.
#![forbid(unsafe_code)]

use super::in_policy;
use super::reach::{self, Who};
use super::report::{Named, Subject, words};
use crate::accounts::{account, account_of, groups};
use crate::error::{CommandFault, Failure};
use crate::policy::rule::QueueSet;
use crate::policy::system::System;
use crate::policy::{Denied, Names, Policy, Principal, Question, Rule, Unanswered};

/// Returns what there is to say, and why the answer is no if an interface was given and it is.
pub(super) fn explain(
    policy: &Policy,
    name: &str,
    ifname: Option<&str>,
) -> Result<(Subject, Option<Failure>), Failure> {
    let (uid, groups) = identity(name)?;
    let question =
        Question { uid, groups: &groups, ifname: ifname.unwrap_or_default(), ..Question::LEAST };
    let granted = ifname.map(|_| grants(policy, question));
    let failure = match &granted {
        Some(Err(denied)) => Some(not_granted(denied, name, uid, question.ifname)),
        _ => None,
    };
    let subject = Subject {
        name: name.to_owned(),
        uid,
        groups: reach::names(&groups),
        interface: ifname.map(str::to_owned),
        granted_by: granted.and_then(|granted| Some(granted.ok()?.label.clone())),
        rules: rules(policy, question, ifname),
        reach: reach::of(&Who { name, uid, groups: &groups }),
    };
    Ok((subject, failure))
}

/// The user's number, and all groups that a login would give them.
fn identity(name: &str) -> Result<(u32, Vec<u32>), Failure> {
    let unknown = || CommandFault::NoUser { name: name.to_owned() };
    let failed = |error: Unanswered| CommandFault::unanswered(name, &error);
    let account = match name.parse::<u32>() {
        Ok(uid) => match account_of(uid).map_err(failed)? {
            Some(account) => account,
            None => return Ok((uid, vec![])),
        },
        Err(_) => account(name).map_err(failed)?.ok_or_else(unknown)?,
    };
    Ok((account.uid, groups(&account)))
}

/// The rule that grants the least that can be asked for under each rule: its first queue, any mode.
fn grants<'p>(policy: &'p Policy, question: Question<'_>) -> Result<&'p Rule, Denied> {
    let firsts = policy.allow.iter().map(|rule| match &rule.queues {
        QueueSet::All => 0,
        QueueSet::Ranges(ranges) => ranges.first().map_or(0, |range| *range.start()),
    });
    let ask = |first_queue| {
        let question = Question { first_queue, ..question };
        policy.decide(&question, &System).map(|allowed| allowed.rule)
    };
    firsts.fold(ask(0), |answer, first| answer.or_else(|denied| ask(first).or(Err(denied))))
}

/// Every rule about the user, the deny rules first, of those that cover the interface.
fn rules(policy: &Policy, question: Question<'_>, ifname: Option<&str>) -> Vec<Named> {
    let denying = policy.denying(&question, &System).map(|rule| (rule, true));
    let all = denying.chain(policy.allowing(&question, &System).map(|rule| (rule, false)));
    let covering = all.filter(|(rule, _)| ifname.is_none_or(|ifname| rule.covers(ifname)));
    covering.map(|(rule, denies)| Named::new(rule, denies, by(rule, &question))).collect()
}

/// The users and groups of a rule that the user is.
fn by(rule: &Rule, question: &Question<'_>) -> Vec<String> {
    let is_user = |user: &&Principal| match user {
        Principal::Number(uid) => *uid == question.uid,
        Principal::Name(name) => System.user(name) == Ok(Some(question.uid)),
    };
    let is_member = |group: &&Principal| {
        let gid = match group {
            Principal::Number(gid) => Some(*gid),
            Principal::Name(name) => System.group(name).ok().flatten().map(|entry| entry.gid),
        };
        gid.is_some_and(|gid| question.groups.contains(&gid))
    };
    let users = rule.users.iter().filter(is_user).map(|user| words("user", user));
    users.chain(rule.groups.iter().filter(is_member).map(|group| words("group", group))).collect()
}

fn not_granted(denied: &Denied, user: &str, uid: u32, ifname: &str) -> Failure {
    let why = match denied {
        Denied::NoRule => format!("no rule allows {user} (uid {uid}) to use {ifname}"),
        Denied::ByRule(rule) => format!("{user} (uid {uid}) is denied {ifname} by {rule}"),
        Denied::Detail(_) => denied.to_string(),
        Denied::UnknownName { .. } | Denied::Unanswered { .. } => return in_policy(ifname, denied),
    };
    CommandFault::NotAllowed { name: ifname.to_owned(), why }.into()
}
