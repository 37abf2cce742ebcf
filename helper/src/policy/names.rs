// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a decision asks of a user database. "There is no such entry" is an answer; a
//! database that fails has not answered, and what it would have said may be what denies.
#![forbid(unsafe_code)]

use crate::accounts::Answer;

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
    /// Returns whether the uid is a user's. Those that a user may have beside their own (subuid(5))
    /// are not.
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
