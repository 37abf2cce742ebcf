// SPDX-License-Identifier: MIT OR Apache-2.0
//! Users and groups as the user database has them. "There is no such entry" is an answer; a
//! database that fails has not answered, and what it would have said may be what denies.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fmt::{self, Display};
use std::io;

use super::accounts;
pub(crate) use super::accounts::groups;
use crate::sys::database::{self, Account, Group};

/// The user database failed: what about, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered(pub String);

impl Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the user database does not answer: {}", self.0)
    }
}

/// What the user database says, or that it says nothing.
pub type Answer<T> = Result<T, Unanswered>;

/// A group's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// Its number.
    pub gid: u32,
    /// The names of its members; those that have it as their primary group need not be among them.
    pub members: Vec<String>,
}

/// Where names and numbers come from; a trait so that decisions can be tested without a user
/// database.
pub trait Names {
    /// The uid of a user.
    ///
    /// # Errors
    /// The database fails, here and in the others.
    fn user(&self, name: &str) -> Answer<Option<u32>>;
    /// Whether the uid is a user's. Those that a user may have beside their own (subuid(5)) are
    /// not.
    ///
    /// # Errors
    /// As above.
    fn is_user(&self, uid: u32) -> Answer<bool>;
    /// The group of this name.
    ///
    /// # Errors
    /// As above.
    fn group(&self, name: &str) -> Answer<Option<GroupEntry>>;
    /// The group of this number.
    ///
    /// # Errors
    /// As above.
    fn group_of(&self, gid: u32) -> Answer<Option<GroupEntry>>;
    /// The groups of the accounts with this uid: the primary ones, and the others as far as a login
    /// would give them.
    ///
    /// # Errors
    /// As above.
    fn groups_of(&self, uid: u32) -> Answer<Vec<u32>>;
}

/// The system's user database.
#[derive(Debug, Clone, Copy)]
pub struct System;

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

fn answer<T>(what: impl Display, found: io::Result<T>) -> Answer<T> {
    found.map_err(|error| Unanswered(format!("{what}: {error}")))
}

/// A member whose name cannot be asked for is not nobody.
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
