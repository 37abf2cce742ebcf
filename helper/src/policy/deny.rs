// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whom deny rules name. A user can drop a group in a user namespace of their own (subgid(5)), by
//! newgrp(1), and by a setgid program, and then the kernel does not tell of it any more; and the
//! user database does not know every uid. So a group denies where either of them says that the user
//! has it.
#![forbid(unsafe_code)]

use std::cell::OnceCell;

use super::decide::{Denied, Question};
use super::names::Names;
use super::rule::{Policy, Principal, Rule};
use crate::accounts::Answer;

/// -1 means "no change" to setresuid(2), so it is nobody's uid.
const NOBODY: u32 = u32::MAX;

impl Policy {
    /// Looks up everything that deny rules need.
    pub(crate) fn resolve_denied(&self, names: &dyn Names) -> Result<(), Denied> {
        let question = Question { uid: NOBODY, ..Question::LEAST };
        self.check_denied(&question, names)
    }

    /// The deny rules that are about the user, whatever the interface.
    pub(crate) fn denying<'p>(
        &'p self,
        question: &'p Question<'p>,
        names: &'p dyn Names,
    ) -> impl Iterator<Item = &'p Rule> {
        let asker = Asker { question, names, groups: OnceCell::new() };
        self.deny.iter().filter(move |rule| asker.is_meant(rule) == Ok(true))
    }

    /// Every name of every deny rule has to resolve: one that does not would silently let a user
    /// in. All rules are checked whatever the interface, so that an error tells nothing about a
    /// rule.
    pub(super) fn check_denied(
        &self,
        question: &Question<'_>,
        names: &dyn Names,
    ) -> Result<(), Denied> {
        let asker = Asker { question, names, groups: OnceCell::new() };
        let mut denied = Ok(());
        for rule in &self.deny {
            let meant = asker.is_meant(rule)?;
            if denied.is_ok() && meant && rule.covers(question.ifname) {
                denied = Err(Denied::ByRule(rule.label.clone()));
            }
        }
        denied
    }
}

/// The caller, and the user database to ask about the caller.
struct Asker<'a> {
    question: &'a Question<'a>,
    names: &'a dyn Names,
    /// The groups of the accounts, once they were looked up.
    groups: OnceCell<Vec<u32>>,
}

impl Asker<'_> {
    fn is_meant(&self, rule: &Rule) -> Result<bool, Denied> {
        let mut meant = false;
        for user in &rule.users {
            meant |= self.is(user, rule)?;
        }
        for group in &rule.groups {
            meant |= self.has(group, rule)?;
        }
        Ok(meant)
    }

    fn is(&self, user: &Principal, rule: &Rule) -> Result<bool, Denied> {
        let uid = match user {
            Principal::Number(uid) => *uid,
            Principal::Name(name) => known(self.names.user(name), rule, name)?,
        };
        Ok(uid == self.question.uid)
    }

    fn has(&self, group: &Principal, rule: &Rule) -> Result<bool, Denied> {
        let (gid, mut members) = match group {
            Principal::Number(gid) => (*gid, Vec::new()),
            Principal::Name(name) => {
                let entry = known(self.names.group(name), rule, name)?;
                (entry.gid, entry.members)
            }
        };
        let kernel = self.question.groups.contains(&gid) || self.question.denying.contains(&gid);
        // Another name of the group may have other members.
        members.extend(
            answered(self.names.group_of(gid), rule)?.into_iter().flat_map(|entry| entry.members),
        );
        let mut listed = false;
        for member in &members {
            listed |= answered(self.names.user(member), rule)? == Some(self.question.uid);
        }
        Ok(self.groups(rule)?.contains(&gid) || listed || kernel)
    }

    fn groups(&self, rule: &Rule) -> Result<&[u32], Denied> {
        if self.groups.get().is_none() {
            let _ = self.groups.set(answered(self.names.groups_of(self.question.uid), rule)?);
        }
        Ok(self.groups.get().map_or(&[], Vec::as_slice))
    }
}

fn answered<T>(answer: Answer<T>, rule: &Rule) -> Result<T, Denied> {
    answer.map_err(|error| Denied::Unanswered { rule: rule.label.clone(), error })
}

fn known<T>(answer: Answer<Option<T>>, rule: &Rule, name: &str) -> Result<T, Denied> {
    let unknown = || Denied::UnknownName { rule: rule.label.clone(), name: name.to_owned() };
    answered(answer, rule)?.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, decide, question};
    use super::*;

    const DENY: &str = "[[allow]]\nusers = [1000, 1001, 1002, 1003, 5000]\ninterfaces = [\"*\"]\n\
        [[deny]]\ngroups = [\"barred\"]\ninterfaces = [\"eth*\"]\n";

    fn denied(text: &str, uid: u32, groups: &[u32]) -> bool {
        match decide(text, uid, groups, "eth1") {
            Ok(_) => false,
            Err(Denied::ByRule(_)) => true,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_group_denies_by_the_kernel_or_by_the_database() {
        // By nothing but the kernel, an entry's list, the primary group of a name, the other name
        // of the group.
        assert!(!denied(DENY, 1000, &[77]) && denied(DENY, 1000, &[77, 90]));
        assert!(denied(DENY, 1001, &[]));
        assert!(denied(DENY, 1002, &[]));
        assert!(denied(DENY, 1003, &[]));
        let by_number = DENY.replace("\"barred\"", "90");
        assert!(denied(&by_number, 1001, &[]) && denied(&by_number, 1002, &[]));
    }

    #[test]
    fn a_uid_without_an_account_has_the_kernels_groups() {
        assert!(!denied(DENY, 5000, &[]) && denied(DENY, 5000, &[90]));
    }

    #[test]
    fn a_group_of_the_process_denies_and_does_not_allow() {
        let mut policy = Policy::default();
        policy.add("p", "[[allow]]\ngroups = [77]\ninterfaces = [\"*\"]\n").unwrap();
        let asked = Question { denying: &[77], ..question(1000, &[], "eth1") };
        assert_eq!(policy.decide(&asked, &Fake::SOUND).map(|_| ()), Err(Denied::NoRule));
        policy.add("q", DENY).unwrap();
        let asked = Question { denying: &[90], ..question(1000, &[77], "eth1") };
        assert!(matches!(policy.decide(&asked, &Fake::SOUND), Err(Denied::ByRule(_))));
    }

    #[test]
    fn a_database_that_fails_denies_everybody_and_for_every_interface() {
        let mut policy = Policy::default();
        policy.add("p", DENY).unwrap();
        for failing in ["user", "group", "group_of", "groups_of"] {
            for (uid, ifname) in [(1000, "eth1"), (1000, "lo"), (1001, "eth1"), (6000, "x")] {
                let denied = policy.decide(&question(uid, &[90], ifname), &Fake { failing });
                assert!(
                    matches!(denied, Err(Denied::Unanswered { .. })),
                    "{failing} {uid} {ifname}: {denied:?}"
                );
            }
        }
    }
}
