// SPDX-License-Identifier: MIT OR Apache-2.0
//! The decision: pure, so that every corner of it can be tested and fuzzed.
#![forbid(unsafe_code)]

use std::fmt;

use xsk_proto::{Mode, ModeRequest};

use super::names::Names;
use super::rule::{Policy, Principal, Rule};
use crate::accounts::{Answer, Unanswered};

/// Who asks, and for what. The interface may not exist: the answer must not tell.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The uid, from the kernel.
    pub uid: u32,
    /// The primary group and all others of the one who made the connection, from the kernel.
    pub groups: &'a [u32],
    /// Groups that deny and do not allow.
    pub denying: &'a [u32],
    /// The interface's name.
    pub ifname: &'a str,
    /// The first queue.
    pub first_queue: u32,
    /// How many queues.
    pub queues: u32,
    /// The mode.
    pub mode: ModeRequest,
    /// Promiscuous mode.
    pub promisc: bool,
    /// All-multicast mode.
    pub allmulti: bool,
    /// Addresses of guests, in small letters.
    pub macs: &'a [String],
    /// Busy polling.
    pub busy_poll: bool,
}

impl Question<'_> {
    /// The least that can be asked for: one queue in any mode.
    pub(crate) const LEAST: Self = Self {
        uid: 0,
        groups: &[],
        denying: &[],
        ifname: "",
        first_queue: 0,
        queues: 1,
        mode: ModeRequest::Auto,
        promisc: false,
        allmulti: false,
        macs: &[],
        busy_poll: false,
    };
}

/// The rule that allows it, and the modes in which the program may be attached.
#[derive(Debug, Clone)]
pub struct Allowed<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// In the order in which they are to be tried.
    pub modes: Vec<Mode>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No rule allows this user to use this interface.
    NoRule,
    /// A deny rule names the user and the interface.
    ByRule(String),
    /// A deny rule has a name that nobody has, so nobody is served.
    UnknownName {
        /// The rule's file and line.
        rule: String,
        /// The name.
        name: String,
    },
    /// The user database fails where a rule needs it. Who is denied is not known then, so nobody is
    /// served.
    Unanswered {
        /// The rule's file and line.
        rule: String,
        /// What failed.
        error: Unanswered,
    },
    /// The user may use the interface, but not in this way.
    Detail(Detail),
}

/// What a rule does not allow, and what it would have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The sentence about it.
    pub text: String,
    /// A line for the rule.
    pub key: String,
    /// The rule's file and line.
    pub rule: String,
}

/// For the log and `check-policy`.
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::NoRule => f.write_str("no rule allows it"),
            Denied::ByRule(rule) => write!(f, "denied by {rule}"),
            Denied::UnknownName { rule, name } => {
                write!(
                    f,
                    "{rule}: the deny rule names '{name}', which nobody is called, so nobody is served"
                )
            }
            Denied::Unanswered { rule, error } => write!(f, "{rule}: {error}, so nobody is served"),
            Denied::Detail(Detail { text, key, .. }) => write!(f, "{text} ({key})"),
        }
    }
}

impl Policy {
    /// Answers the question.
    ///
    /// # Errors
    /// Why not.
    pub fn decide(
        &self,
        question: &Question<'_>,
        names: &dyn Names,
    ) -> Result<Allowed<'_>, Denied> {
        self.check_denied(question, names)?;
        let mut first = Denied::NoRule;
        for rule in self.allow.iter().filter(|rule| rule.covers(question.ifname)) {
            if is_allowed(rule, question, names) != Ok(true) {
                continue;
            }
            match within(rule, question) {
                Ok(modes) => return Ok(Allowed { rule, modes }),
                Err(detail) if first == Denied::NoRule => first = Denied::Detail(detail),
                Err(_) => {}
            }
        }
        Err(self.unanswered(question, names).filter(|_| first == Denied::NoRule).unwrap_or(first))
    }

    /// The allow rules that are about the user, whatever the interface.
    pub(crate) fn allowing<'p>(
        &'p self,
        question: &'p Question<'p>,
        names: &'p dyn Names,
    ) -> impl Iterator<Item = &'p Rule> {
        self.allow.iter().filter(move |rule| is_allowed(rule, question, names) == Ok(true))
    }

    /// Returns the failure of the database over an allow rule, whichever interface the rule is
    /// about: an answer that depended on the interface would tell which.
    fn unanswered(&self, question: &Question<'_>, names: &dyn Names) -> Option<Denied> {
        let failed = |rule: &Rule| {
            let error = is_allowed(rule, question, names).err()?;
            Some(Denied::Unanswered { rule: rule.label.clone(), error })
        };
        self.allow.iter().find_map(failed)
    }
}

/// A group allows users alone: in a user namespace of their own users keep their groups under
/// another uid (subuid(5)), which no rule about them would meet.
fn is_allowed(rule: &Rule, question: &Question<'_>, names: &dyn Names) -> Answer<bool> {
    match any(&rule.users, |user| is_named(user, question, names)) {
        Ok(false) => is_allowed_by_group(rule, question, names),
        Err(error) => is_allowed_by_group(rule, question, names)?.then_some(true).ok_or(error),
        named => named,
    }
}

fn is_allowed_by_group(rule: &Rule, question: &Question<'_>, names: &dyn Names) -> Answer<bool> {
    let member = any(&rule.groups, |group| is_member(group, question, names))?;
    Ok(member && names.is_user(question.uid)?)
}

/// Returns whether the rule names the caller. A name that does not resolve matches no one.
fn is_named(user: &Principal, question: &Question<'_>, names: &dyn Names) -> Answer<bool> {
    let uid = match user {
        Principal::Number(uid) => Some(*uid),
        Principal::Name(name) => names.user(name)?,
    };
    Ok(uid == Some(question.uid))
}

fn is_member(group: &Principal, question: &Question<'_>, names: &dyn Names) -> Answer<bool> {
    let gid = match group {
        Principal::Number(gid) => Some(*gid),
        Principal::Name(name) => names.group(name)?.map(|entry| entry.gid),
    };
    Ok(gid.is_some_and(|gid| question.groups.contains(&gid)))
}

/// Returns whether it holds for one of them; an error counts where it holds for no other.
fn any<T>(list: &[T], holds: impl Fn(&T) -> Answer<bool>) -> Answer<bool> {
    let mut none = Ok(false);
    for one in list {
        match holds(one) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => none = Err(error),
        }
    }
    none
}

/// Returns whether the rule goes as far as the question.
fn within(rule: &Rule, question: &Question<'_>) -> Result<Vec<Mode>, Detail> {
    let (ifname, label) = (question.ifname, &rule.label);
    let refused = |text: String, key: String| Err(Detail { text, key, rule: label.clone() });
    let (first, count) = (question.first_queue, question.queues);
    let last = first.saturating_add(count).saturating_sub(1);
    if count > rule.max_queues {
        let text = format!("{label} allows {} queues of {ifname} at once", rule.max_queues);
        return refused(text, format!("max_queues = {count}"));
    }
    if !rule.queues.contains(first, count) {
        let text = format!("{label} does not allow queues {first} to {last} of {ifname}");
        return refused(text, format!("queues = \"{first}-{last}\""));
    }
    if let Some((what, key)) = not_switched_on(rule, question) {
        return refused(
            format!("{label} does not allow {what} on {ifname}"),
            format!("{key} = true"),
        );
    }
    let covered = |mac: &String| rule.macs.iter().any(|pattern| pattern.matches(mac));
    if let Some(mac) = question.macs.iter().find(|mac| !covered(mac)) {
        let text = format!("{label} does not allow to receive for {mac} on {ifname}");
        return refused(text, format!("macs = [\"{mac}\"]"));
    }
    let wanted: &[Mode] = match question.mode {
        ModeRequest::Auto => &[Mode::Native, Mode::Skb],
        ModeRequest::Native => &[Mode::Native],
        ModeRequest::Skb => &[Mode::Skb],
    };
    let modes: Vec<Mode> =
        wanted.iter().copied().filter(|mode| rule.modes.contains(mode)).collect();
    if modes.is_empty() {
        let names: Vec<_> = wanted.iter().map(|mode| format!("\"{mode}\"")).collect();
        let text = format!("{label} does not allow this mode on {ifname}");
        return refused(text, format!("modes = [{}]", names.join(", ")));
    }
    Ok(modes)
}

/// What is asked for and not switched on: its name, and its key.
fn not_switched_on(rule: &Rule, question: &Question<'_>) -> Option<(&'static str, &'static str)> {
    let switches = [
        (question.promisc, rule.promisc, "promiscuous mode", "promisc"),
        (question.allmulti, rule.allmulti, "all-multicast mode", "allmulti"),
        (question.busy_poll, rule.busy_poll, "busy polling", "busy_poll"),
    ];
    let missing = switches.into_iter().find(|(asked, allowed, ..)| *asked && !allowed);
    missing.map(|(.., what, key)| (what, key))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, decide, question};
    use super::*;

    const POLICY: &str = "[[allow]]\nusers = [\"alice\", 4000000000]\ninterfaces = [\"eth*\"]\n\
        [[allow]]\ngroups = [\"kvm\"]\ninterfaces = [\"eth2\"]\nqueues = \"1-2\"\n\
        [[deny]]\nusers = [\"mallory\"]\ninterfaces = [\"*\"]\n";

    #[test]
    fn default_is_deny() {
        assert_eq!(decide("", 0, &[0], "eth0"), Err(Denied::NoRule));
        assert_eq!(decide(POLICY, 1002, &[1002], "eth1"), Err(Denied::NoRule));
        assert_eq!(decide(POLICY, 1000, &[1000], "lo"), Err(Denied::NoRule));
    }

    #[test]
    fn users_by_name_and_number() {
        assert!(decide(POLICY, 1000, &[], "eth1").is_ok());
        assert!(decide(POLICY, 4_000_000_000, &[], "eth1").is_ok());
    }

    #[test]
    fn deny_wins() {
        assert!(matches!(decide(POLICY, 1001, &[77], "eth2"), Err(Denied::ByRule(_))));
        let first = "[[deny]]\nusers = [1000]\ninterfaces = [\"eth1\"]\n[[allow]]\nusers = [1000]\ninterfaces = [\"*\"]\n";
        assert!(matches!(decide(first, 1000, &[], "eth1"), Err(Denied::ByRule(_))));
        assert!(decide(first, 1000, &[], "eth2").is_ok());
    }

    #[test]
    fn a_group_allows_users_and_denies_everybody() {
        let text = "[[allow]]\ngroups = [\"kvm\"]\ninterfaces = [\"eth*\"]\n[[deny]]\ngroups = [78]\ninterfaces = [\"*\"]\n";
        assert!(decide(text, 1000, &[77], "eth1").is_ok());
        assert_eq!(decide(text, 100_000, &[77], "eth1"), Err(Denied::NoRule));
        assert!(matches!(decide(text, 100_000, &[77, 78], "eth1"), Err(Denied::ByRule(_))));
    }

    #[test]
    fn a_database_that_fails_allows_nobody_and_says_so() {
        let policy = |text: &str| {
            let mut policy = Policy::default();
            policy.add("p", text).map(|()| policy).unwrap()
        };
        let by_name = policy("[[allow]]\nusers = [\"alice\"]\ninterfaces = [\"eth1\"]\n");
        let by_group = policy("[[allow]]\ngroups = [\"kvm\"]\ninterfaces = [\"eth1\"]\n");
        for (policy, failing) in [(&by_name, "user"), (&by_group, "group"), (&by_group, "is_user")]
        {
            for ifname in ["eth1", "eth2"] {
                let denied = policy.decide(&question(1000, &[77], ifname), &Fake { failing });
                assert!(
                    matches!(denied, Err(Denied::Unanswered { .. })),
                    "{failing} {ifname}: {denied:?}"
                );
            }
        }
        // A rule that does without the database still allows.
        let both = policy("[[allow]]\nusers = [\"alice\", 1000]\ninterfaces = [\"eth1\"]\n");
        assert!(both.decide(&question(1000, &[], "eth1"), &Fake { failing: "user" }).is_ok());
    }

    #[test]
    fn a_rule_that_falls_short_says_so() {
        assert!(matches!(decide(POLICY, 1005, &[77], "eth2"), Err(Denied::Detail(_))));
    }

    #[test]
    fn an_unknown_name_in_a_deny_rule_stops_everybody() {
        let text = format!("{POLICY}[[deny]]\nusers = [\"nobody-here\"]\ninterfaces = [\"x\"]\n");
        assert!(matches!(decide(&text, 1000, &[], "eth1"), Err(Denied::UnknownName { .. })));
        let allow = format!("{POLICY}[[allow]]\nusers = [\"nobody-here\"]\ninterfaces = [\"*\"]\n");
        assert!(decide(&allow, 1000, &[], "eth1").is_ok());
    }
}
