// SPDX-License-Identifier: MIT OR Apache-2.0
//! Users and groups by name, as the user database has them.
#![forbid(unsafe_code)]

use nix::unistd::{Group, User};

/// Where the numbers of names come from; a trait so that decisions can be tested without a user database.
pub trait Names {
    /// The uid of a user.
    fn user(&self, name: &str) -> Option<u32>;
    /// The gid of a group.
    fn group(&self, name: &str) -> Option<u32>;
    /// Whether the uid is a user's. Those that a user may have beside his own (subuid(5)) are not.
    fn is_user(&self, uid: u32) -> bool;
}

/// The system's user database.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Names for System {
    fn user(&self, name: &str) -> Option<u32> {
        User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
    }

    fn group(&self, name: &str) -> Option<u32> {
        Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    }

    fn is_user(&self, uid: u32) -> bool {
        User::from_uid(uid.into()).is_ok_and(|user| user.is_some())
    }
}
