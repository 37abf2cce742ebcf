// SPDX-License-Identifier: MIT OR Apache-2.0
//! A user database for unit tests, and the questions that they ask.

use super::names::{GroupEntry, Names};
use super::{Denied, Policy, Question};
use crate::accounts::{Answer, Unanswered};

/// Knows three users and two groups, and fails where it is told to.
pub(super) struct Fake {
    /// The look-up that fails.
    pub(super) failing: &'static str,
}

impl Fake {
    /// Fails nowhere.
    pub(super) const SOUND: Self = Self { failing: "" };

    fn answer<T>(&self, look_up: &str, value: T) -> Answer<T> {
        if look_up == self.failing { Err(Unanswered(look_up.to_owned())) } else { Ok(value) }
    }
}

/// `smith` is a second name of uid 1002, whose primary group is 90; 1003 is a member by the group's
/// other name.
const USERS: [(&str, u32); 4] =
    [("alice", 1000), ("mallory", 1001), ("smith", 1002), ("eve", 1003)];

impl Names for Fake {
    fn user(&self, name: &str) -> Answer<Option<u32>> {
        self.answer("user", USERS.into_iter().find(|(known, _)| *known == name).map(|(_, uid)| uid))
    }

    fn is_user(&self, uid: u32) -> Answer<bool> {
        self.answer("is_user", uid < 100_000)
    }

    fn group(&self, name: &str) -> Answer<Option<GroupEntry>> {
        let entry =
            |gid, member: &str| GroupEntry { gid, members: vec!["gone".into(), member.into()] };
        let found = match name {
            "kvm" => Some(entry(77, "alice")),
            "barred" => Some(entry(90, "mallory")),
            _ => None,
        };
        self.answer("group", found)
    }

    fn group_of(&self, gid: u32) -> Answer<Option<GroupEntry>> {
        let members = ["mallory", "eve"].map(str::to_owned).to_vec();
        self.answer("group_of", (gid == 90).then_some(GroupEntry { gid, members }))
    }

    fn groups_of(&self, uid: u32) -> Answer<Vec<u32>> {
        self.answer("groups_of", if uid == 1002 { vec![1002, 90] } else { vec![] })
    }
}

pub(super) fn question<'a>(uid: u32, groups: &'a [u32], ifname: &'a str) -> Question<'a> {
    Question { uid, groups, ifname, ..Question::LEAST }
}

/// The rule that allows it.
pub(super) fn decide(text: &str, uid: u32, groups: &[u32], ifname: &str) -> Result<String, Denied> {
    let mut policy = Policy::default();
    policy.add("p", text).unwrap();
    policy
        .decide(&question(uid, groups, ifname), &Fake::SOUND)
        .map(|allowed| allowed.rule.label.clone())
}
