// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers the questions of a decision by the system's user database.
#![forbid(unsafe_code)]

use std::ffi::CString;

use super::names::{GroupEntry, Names};
use crate::accounts::{self, Answer, Unanswered};
use crate::sys::database::Group;

/// The system's user database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Names for System {
    fn user(&self, name: &str) -> Answer<Option<u32>> {
        Ok(accounts::account(name)?.map(|account| account.uid))
    }

    fn is_user(&self, uid: u32) -> Answer<bool> {
        Ok(accounts::account_of(uid)?.is_some())
    }

    fn group(&self, name: &str) -> Answer<Option<GroupEntry>> {
        accounts::group(name)?.map(entry).transpose()
    }

    fn group_of(&self, gid: u32) -> Answer<Option<GroupEntry>> {
        accounts::group_of(gid)?.map(entry).transpose()
    }

    fn groups_of(&self, uid: u32) -> Answer<Vec<u32>> {
        Ok(accounts::accounts_of(uid)?.iter().flat_map(accounts::groups).collect())
    }
}

/// A member whose name is not UTF-8 is an error: skipping it could let a denied user in.
fn entry(group: Group) -> Answer<GroupEntry> {
    let members = group.members.into_iter().map(CString::into_string).collect::<Result<_, _>>();
    match members {
        Ok(members) => Ok(GroupEntry { gid: group.gid, members }),
        Err(error) => {
            Err(Unanswered(format!("group {}: the name of a member: {error}", group.gid)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_such_entry_is_an_answer() {
        assert_eq!(System.user("no-such-user-here"), Ok(None));
        assert_eq!(System.user("a zero: \0"), Ok(None));
        assert_eq!(System.group("no-such-group-here"), Ok(None));
        assert_eq!(System.group_of(4_000_000_001), Ok(None));
        assert_eq!(System.is_user(4_000_000_001), Ok(false));
        assert_eq!(System.groups_of(4_000_000_001), Ok(vec![]));
    }

    #[test]
    fn root_is_known() {
        assert_eq!(System.user("root"), Ok(Some(0)));
        assert_eq!(System.group("root").unwrap().unwrap().gid, 0);
        assert!(System.groups_of(0).unwrap().contains(&0));
    }

    #[test]
    fn a_member_whose_name_is_not_utf8_is_not_nobody() {
        let group = Group { gid: 5, members: vec![c"alice".to_owned(), c"m\xfcller".to_owned()] };
        assert!(entry(group).unwrap_err().0.starts_with("group 5: "));
    }
}
