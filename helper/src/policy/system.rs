// SPDX-License-Identifier: MIT OR Apache-2.0
//! Users and groups as the system's user database has them.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fmt::Display;
use std::io;

use super::accounts;
pub(crate) use super::accounts::groups;
use super::names::{Answer, GroupEntry, Names, Unanswered};
use crate::sys::database::{self, Account, Group};

/// The system's user database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Names for System {
    fn user(&self, name: &str) -> Answer<Option<u32>> {
        Ok(account(name)?.map(|account| account.uid))
    }

    fn is_user(&self, uid: u32) -> Answer<bool> {
        Ok(account_of(uid)?.is_some())
    }

    fn group(&self, name: &str) -> Answer<Option<GroupEntry>> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        entry(format_args!("group {}", name.to_string_lossy()), database::group(&name))
    }

    fn group_of(&self, gid: u32) -> Answer<Option<GroupEntry>> {
        entry(format_args!("group {gid}"), database::group_of(gid))
    }

    fn groups_of(&self, uid: u32) -> Answer<Vec<u32>> {
        let accounts = accounts::local(uid)?.into_iter().chain(account_of(uid)?);
        Ok(accounts.flat_map(|account| groups(&account)).collect())
    }
}

/// The account of this name.
pub(crate) fn account(name: &str) -> Answer<Option<Account>> {
    // No name has a zero in it.
    let Ok(key) = CString::new(name) else { return Ok(None) };
    answer(format_args!("user {name}"), database::account(&key))
}

/// The first account that has the uid.
pub(crate) fn account_of(uid: u32) -> Answer<Option<Account>> {
    answer(format_args!("uid {uid}"), database::account_of(uid))
}

/// A group's name, or its number if it has none.
pub(crate) fn group_name(gid: u32) -> String {
    let found = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
    found.map_or_else(|| gid.to_string(), |group| group.name)
}

fn answer<T>(what: impl Display, found: io::Result<T>) -> Answer<T> {
    found.map_err(|error| Unanswered(format!("{what}: {error}")))
}

/// A member whose name is not UTF-8 is an error: skipping it could let a denied user in.
fn entry(what: impl Display, found: io::Result<Option<Group>>) -> Answer<Option<GroupEntry>> {
    let Some(group) = answer(&what, found)? else { return Ok(None) };
    let members = group.members.into_iter().map(CString::into_string).collect::<Result<_, _>>();
    let members = members.map_err(|error| Unanswered(format!("{what}: the name of a member: {error}")))?;
    Ok(Some(GroupEntry { gid: group.gid, members }))
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
        assert!(entry("group 5", Ok(Some(group))).unwrap_err().0.starts_with("group 5: "));
    }
}
