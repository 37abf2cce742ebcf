// SPDX-License-Identifier: MIT OR Apache-2.0
//! The policy: any text and any question. Nobody is let in whom no allow rule names or whom a deny
//! rule does.

use xsk_helper::policy::rule::Principal;
use xsk_helper::policy::{Allowed, Answer, GroupEntry, Names, Policy, Question};
use xsk_proto::{IfName, Mode, ModeRequest};

/// A user database with one user and one group.
struct Few;

impl Names for Few {
    fn user(&self, name: &str) -> Answer<Option<u32>> {
        Ok((name == "alice").then_some(1000))
    }

    fn is_user(&self, uid: u32) -> Answer<bool> {
        Ok(uid < 100_000)
    }

    fn group(&self, name: &str) -> Answer<Option<GroupEntry>> {
        if name == "kvm" { self.group_of(77) } else { Ok(None) }
    }

    fn group_of(&self, gid: u32) -> Answer<Option<GroupEntry>> {
        Ok((gid == 77).then(|| GroupEntry { gid, members: vec!["alice".into(), "gone".into()] }))
    }

    fn groups_of(&self, uid: u32) -> Answer<Vec<u32>> {
        Ok(if uid == 1000 { vec![1000] } else { vec![] })
    }
}

/// A line `UID GID IFNAME FIRST QUEUES MODE`, and then the text of a policy.
pub fn policy(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let Some((line, text)) = input.split_once('\n') else { return };
    let mut policy = Policy::default();
    if policy.add("policy.toml", text).is_err() {
        return;
    }
    let groups = [number(line, 1)];
    let ifname = line.split(' ').nth(2).unwrap_or_default();
    if IfName::parse(ifname).is_err() {
        return;
    }
    let question = Question {
        uid: number(line, 0),
        groups: &groups,
        denying: &[],
        ifname,
        first_queue: number(line, 3),
        queues: number(line, 4),
        mode: mode(line),
        promisc: line.contains('p'),
        allmulti: line.contains('a'),
        macs: &[],
        busy_poll: line.contains('b'),
    };
    if let Ok(allowed) = policy.decide(&question, &Few) {
        deserved(&policy, &question, &allowed);
    }
    denied_by_one_more_rule(policy, &question);
}

fn number(line: &str, place: usize) -> u32 {
    line.split(' ').nth(place).and_then(|word| word.parse().ok()).unwrap_or(1)
}

fn mode(line: &str) -> ModeRequest {
    match line.split(' ').nth(5) {
        Some("native") => ModeRequest::Native,
        Some("skb") => ModeRequest::Skb,
        _ => ModeRequest::Auto,
    }
}

fn names(list: &[Principal], id: u32, known: (&str, u32)) -> bool {
    list.iter().any(|one| match one {
        Principal::Number(number) => *number == id,
        Principal::Name(name) => known == (name.as_str(), id),
    })
}

fn deserved(policy: &Policy, question: &Question<'_>, allowed: &Allowed<'_>) {
    let about = |rule: &xsk_helper::policy::Rule| {
        rule.covers(question.ifname)
            && (names(&rule.users, question.uid, ("alice", 1000))
                || question.groups.iter().any(|gid| names(&rule.groups, *gid, ("kvm", 77))))
    };
    let rule = allowed.rule;
    assert!(
        about(rule) && policy.allow.iter().any(|one| std::ptr::eq(one, rule)),
        "{question:?} by {rule:?}"
    );
    // The database knows of groups that the kernel does not tell of.
    let listed: &[u32] = if question.uid == 1000 { &[77, 1000] } else { &[] };
    let barred = |rule: &xsk_helper::policy::Rule| {
        let groups = listed.iter().any(|gid| names(&rule.groups, *gid, ("kvm", 77)));
        about(rule) || (rule.covers(question.ifname) && groups)
    };
    assert!(!policy.deny.iter().any(barred), "{question:?} in spite of a deny rule");
    assert!(question.queues <= rule.max_queues, "{question:?} by {rule:?}");
    assert!(
        question.first_queue.checked_add(question.queues).is_some(),
        "{question:?} by {rule:?}"
    );
    assert!(rule.promisc || !question.promisc, "{question:?} by {rule:?}");
    assert!(rule.allmulti || !question.allmulti, "{question:?} by {rule:?}");
    assert!(rule.busy_poll || !question.busy_poll, "{question:?} by {rule:?}");
    assert!(
        !allowed.modes.is_empty() && allowed.modes.iter().all(|mode| rule.modes.contains(mode))
    );
    let other = match question.mode {
        ModeRequest::Auto => None,
        ModeRequest::Native => Some(Mode::Skb),
        ModeRequest::Skb => Some(Mode::Native),
    };
    assert!(
        other.is_none_or(|mode| !allowed.modes.contains(&mode)),
        "{question:?}: {:?}",
        allowed.modes
    );
}

/// Whatever the policy, one deny rule more is the end of it.
fn denied_by_one_more_rule(mut policy: Policy, question: &Question<'_>) {
    let rule = format!("[[deny]]\nusers = [{}]\ninterfaces = [\"*\"]\n", question.uid);
    if policy.add("deny.toml", &rule).is_ok() {
        assert!(policy.decide(question, &Few).is_err(), "{question:?}");
    }
}
