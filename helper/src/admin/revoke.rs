// SPDX-License-Identifier: MIT OR Apache-2.0
//! `revoke`, for root at a shell.

use nix::unistd::User;

use super::{Revoke, revoke_report};
use crate::error::{CommandFault, Failure};
use crate::netns;
use crate::revoke::{self, Choice};
use crate::service_process::as_service;

pub(super) fn by_command(arguments: &Revoke) -> Result<(), Failure> {
    let uid = arguments.user.as_deref().map(user).transpose()?;
    as_service()?;
    let interface = revoke::interface(arguments.ifname.as_deref().unwrap_or_default(), netns::own()?)?;
    let revoked = revoke::end(Choice { interface, queue: arguments.queue, uid })?;
    revoke_report::lines(&revoked).iter().for_each(|line| println!("{line}"));
    revoked.proven().map(drop)
}

/// The uid of a name or a number.
fn user(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(CommandFault::NoHolder { name: name.to_owned() }.into()),
    }
}
