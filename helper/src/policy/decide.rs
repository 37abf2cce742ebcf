// SPDX-License-Identifier: MIT OR Apache-2.0
//! The decision: pure, so that every corner of it can be tested and fuzzed.
#![forbid(unsafe_code)]

use xsk_proto::{Mode, ModeRequest};

use super::names::Names;
use super::rule::{Policy, Principal, Rule};

/// Who asks, and for what. The interface may not exist: the answer must not tell.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The uid, from the kernel.
    pub uid: u32,
    /// The primary group and all others, from the kernel.
    pub groups: &'a [u32],
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
    /// Busy polling.
    pub busy_poll: bool,
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
    /// The user may use the interface, and not so: what a rule would have to say.
    Detail(String),
}

impl Policy {
    /// Answers the question.
    ///
    /// # Errors
    /// Why not.
    pub fn decide(&self, question: &Question<'_>, names: &dyn Names) -> Result<Allowed<'_>, Denied> {
        self.check_denied(question, names)?;
        let mut first = Denied::NoRule;
        for rule in self.allow.iter().filter(|rule| rule.covers(question.ifname)) {
            if !is_allowed(rule, question, names) {
                continue;
            }
            match within(rule, question) {
                Ok(modes) => return Ok(Allowed { rule, modes }),
                Err(detail) if first == Denied::NoRule => first = Denied::Detail(detail),
                Err(_) => {}
            }
        }
        Err(first)
    }

    /// Every name of every deny rule has to resolve: one that does not would silently let somebody in.
    /// Each is looked up once, and what was found decides.
    fn check_denied(&self, question: &Question<'_>, names: &dyn Names) -> Result<(), Denied> {
        let mut denied = Ok(());
        for rule in &self.deny {
            let unknown =
                |name: &str| Denied::UnknownName { rule: rule.label.clone(), name: name.to_owned() };
            let mut meant = false;
            for user in &rule.users {
                meant |= resolve(user, |name| names.user(name)).map_err(unknown)? == question.uid;
            }
            for group in &rule.groups {
                let gid = resolve(group, |name| names.group(name)).map_err(unknown)?;
                meant |= question.groups.contains(&gid);
            }
            if denied.is_ok() && meant && rule.covers(question.ifname) {
                denied = Err(Denied::ByRule(rule.label.clone()));
            }
        }
        denied
    }
}

fn resolve(principal: &Principal, look_up: impl Fn(&str) -> Option<u32>) -> Result<u32, &str> {
    match principal {
        Principal::Number(number) => Ok(*number),
        Principal::Name(name) => look_up(name).ok_or(name),
    }
}

/// Whether the rule is about himself. A name that nobody has is about nobody.
fn is_named(rule: &Rule, question: &Question<'_>, names: &dyn Names) -> bool {
    rule.users.iter().any(|user| resolve(user, |name| names.user(name)) == Ok(question.uid))
}

/// A group allows users alone: in a user namespace of his own a user keeps his groups under another uid (subuid(5)),
/// which no rule about him would meet. It denies whoever has it.
fn is_allowed(rule: &Rule, question: &Question<'_>, names: &dyn Names) -> bool {
    is_named(rule, question, names) || (is_member(rule, question, names) && names.is_user(question.uid))
}

/// Whether the rule is about one of his groups.
fn is_member(rule: &Rule, question: &Question<'_>, names: &dyn Names) -> bool {
    rule.groups
        .iter()
        .any(|group| resolve(group, |name| names.group(name)).is_ok_and(|gid| question.groups.contains(&gid)))
}

/// Whether the rule goes as far as the question.
fn within(rule: &Rule, question: &Question<'_>) -> Result<Vec<Mode>, String> {
    let (ifname, label) = (question.ifname, &rule.label);
    let last = question.first_queue.saturating_add(question.queues).saturating_sub(1);
    if question.queues > rule.max_queues {
        return Err(format!("{label} allows {} queues of {ifname} at once", rule.max_queues));
    }
    if !rule.queues.contains(question.first_queue, question.queues) {
        return Err(format!("{label} does not allow queues {} to {last} of {ifname}", question.first_queue));
    }
    if question.promisc && !rule.promisc {
        return Err(format!("{label} does not allow promiscuous mode on {ifname} (promisc = true)"));
    }
    if question.busy_poll && !rule.busy_poll {
        return Err(format!("{label} does not allow busy polling on {ifname} (busy_poll = true)"));
    }
    let wanted: &[Mode] = match question.mode {
        ModeRequest::Auto => &[Mode::Native, Mode::Skb],
        ModeRequest::Native => &[Mode::Native],
        ModeRequest::Skb => &[Mode::Skb],
    };
    let modes: Vec<Mode> = wanted.iter().copied().filter(|mode| rule.modes.contains(mode)).collect();
    if modes.is_empty() { Err(format!("{label} does not allow this mode on {ifname}")) } else { Ok(modes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Names for Fake {
        fn user(&self, name: &str) -> Option<u32> {
            [("alice", 1000), ("mallory", 1001)].into_iter().find(|(n, _)| *n == name).map(|(_, id)| id)
        }

        fn group(&self, name: &str) -> Option<u32> {
            (name == "kvm").then_some(77)
        }

        fn is_user(&self, uid: u32) -> bool {
            uid < 100_000
        }
    }

    fn question<'a>(uid: u32, groups: &'a [u32], ifname: &'a str) -> Question<'a> {
        Question {
            uid,
            groups,
            ifname,
            first_queue: 0,
            queues: 1,
            mode: ModeRequest::Auto,
            promisc: false,
            busy_poll: false,
        }
    }

    fn decide(text: &str, uid: u32, groups: &[u32], ifname: &str) -> Result<String, Denied> {
        let mut policy = Policy::default();
        policy.add("p", text).unwrap();
        policy.decide(&question(uid, groups, ifname), &Fake).map(|allowed| allowed.rule.label.clone())
    }

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

    /// A user database that fails after its first answer.
    struct Once(std::cell::Cell<bool>);

    impl Names for Once {
        fn user(&self, _: &str) -> Option<u32> {
            None
        }

        fn group(&self, name: &str) -> Option<u32> {
            (!self.0.replace(true)).then(|| Fake.group(name))?
        }

        fn is_user(&self, uid: u32) -> bool {
            Fake.is_user(uid)
        }
    }

    #[test]
    fn who_is_denied_is_looked_up_once() {
        let mut policy = Policy::default();
        let text = "[[allow]]\nusers = [1000]\ninterfaces = [\"*\"]\n[[deny]]\ngroups = [\"kvm\"]\ninterfaces = [\"*\"]\n";
        policy.add("p", text).unwrap();
        let once = Once(std::cell::Cell::new(false));
        let denied = policy.decide(&question(1000, &[77], "eth1"), &once);
        assert!(matches!(denied, Err(Denied::ByRule(_))), "{denied:?}");
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
