// SPDX-License-Identifier: MIT OR Apache-2.0
//! The accounts and groups of the system's user database. "There is no such entry" is an answer;
//! a database that fails has not answered.
#![forbid(unsafe_code)]

mod passwd;

use std::ffi::CString;
use std::fmt::{self, Display};
use std::io;

use nix::unistd::getgrouplist;

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

/// All accounts that have the uid, as far as they can be found.
pub(crate) fn accounts_of(uid: u32) -> Answer<Vec<Account>> {
    Ok(passwd::accounts_of(uid)?.into_iter().chain(account_of(uid)?).collect())
}

/// The group of this name.
pub(crate) fn group(name: &str) -> Answer<Option<Group>> {
    let Ok(key) = CString::new(name) else { return Ok(None) };
    answer(format_args!("group {name}"), database::group(&key))
}

/// The group of this number.
pub(crate) fn group_of(gid: u32) -> Answer<Option<Group>> {
    answer(format_args!("group {gid}"), database::group_of(gid))
}

/// A group's name, or its number if it has none.
pub(crate) fn group_name(gid: u32) -> String {
    let found = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
    found.map_or_else(|| gid.to_string(), |group| group.name)
}

/// The groups that a login gives the account. That a service fails is not reported here
/// (getgrouplist(3)), so this adds to what the groups' own entries say and takes nothing away.
pub(crate) fn groups(account: &Account) -> Vec<u32> {
    let found = getgrouplist(&account.name, account.gid.into()).unwrap_or_default();
    found.iter().map(|gid| gid.as_raw()).chain([account.gid]).collect()
}

fn answer<T>(what: impl Display, found: io::Result<T>) -> Answer<T> {
    found.map_err(|error| Unanswered(format!("{what}: {error}")))
}
