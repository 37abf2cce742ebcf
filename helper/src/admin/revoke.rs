// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends leases before their holders do: SIGTERM to their keepers, by a descriptor of the process, which after
//! it was opened is proven to hold the lock.

use std::collections::BTreeSet;
use std::io;

use nix::unistd::User;
use xsk_proto::{Code, Revoke};

use super::as_service;
use crate::audit::{Line, What};
use crate::cli;
use crate::error::Failure;
use crate::leases::key::Key;
use crate::leases::table::{Holder, Table};
use crate::netlink::Netlink;
use crate::serve::status::keys;
use crate::sys::pidfd;

/// Which leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Choice {
    ifindex: Option<u32>,
    queue: Option<u32>,
    uid: Option<u32>,
}

impl Choice {
    fn covers(self, key: Key, holder: Holder) -> bool {
        let same = |wanted: Option<u32>, found: u32| wanted.is_none_or(|wanted| wanted == found);
        same(self.ifindex, key.ifindex) && same(self.queue, holder.queue) && same(self.uid, holder.uid)
    }
}

/// For a client: his own leases, or anybody's where he is root.
pub(crate) fn by_client(request: &Revoke, uid: u32) -> Result<u32, Failure> {
    let given = |number: u32| (number != Revoke::ANY).then_some(number);
    let user = given(request.user);
    if uid != 0 && user.is_some_and(|user| user != uid) {
        let message = format!("uid {uid} may not revoke the leases of uid {}", request.user);
        return Err(
            Failure::new(Code::NotAllowed, "lease", message).hint("ask the administrator: xsk-helper revoke")
        );
    }
    let ifindex = if request.ifname.is_empty() { None } else { Some(index(&request.ifname)?) };
    let choice =
        Choice { ifindex, queue: given(request.queue), uid: if uid == 0 { user } else { Some(uid) } };
    let ended = end(choice)?;
    if ended == 0 && uid != 0 && end_would_concern_others(choice)? {
        let message = format!("uid {uid} has no lease there; somebody else has");
        return Err(
            Failure::new(Code::NotAllowed, "lease", message).hint("ask the administrator: xsk-helper revoke")
        );
    }
    Ok(ended)
}

/// For root at a shell.
pub(crate) fn by_command(arguments: &cli::Revoke) -> Result<(), Failure> {
    let uid = arguments.user.as_deref().map(user).transpose()?;
    as_service()?;
    let ifindex = arguments.ifname.as_deref().map(index).transpose()?;
    let ended = end(Choice { ifindex, queue: arguments.queue, uid })?;
    println!("{ended} leases revoked; their holders can still send until they close their sockets");
    Ok(())
}

fn user(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(Failure::new(Code::NotAllowed, name, format!("there is no user '{name}'"))),
    }
}

fn index(name: &str) -> Result<u32, Failure> {
    let failed = |error| Failure::internal("asking the kernel about the interface", error);
    let found = Netlink::route().and_then(|netlink| netlink.link_by_name(name)).map_err(failed)?;
    found.map(|link| link.ifindex).ok_or_else(|| {
        Failure::new(Code::NoSuchInterface, name, "there is no such interface").hint("list them: ip link")
    })
}

fn end_would_concern_others(choice: Choice) -> Result<bool, Failure> {
    Ok(!chosen(Choice { uid: None, ..choice })?.is_empty())
}

fn chosen(choice: Choice) -> Result<Vec<(Key, Holder)>, Failure> {
    let failed = |error| Failure::internal("reading the lease table", error);
    let mut found = Vec::new();
    for key in keys() {
        let holders = Table::open(key).and_then(|table| table.holders()).map_err(failed)?;
        found.extend(
            holders.into_iter().filter(|holder| choice.covers(key, *holder)).map(|holder| (key, holder)),
        );
    }
    Ok(found)
}

/// Signals each keeper once.
fn end(choice: Choice) -> Result<u32, Failure> {
    let mut signalled = BTreeSet::new();
    for (key, holder) in chosen(choice)? {
        if signalled.contains(&holder.pid) {
            continue;
        }
        if terminate(key, holder).map_err(|error| Failure::internal("signalling a keeper", error))? {
            signalled.insert(holder.pid);
            Line::new(What::Revoke)
                .with("uid", holder.uid)
                .with("keeper", holder.pid)
                .with("queue", holder.queue)
                .log();
        }
    }
    Ok(signalled.len() as u32)
}

/// False where the holder was gone before he could be told.
fn terminate(key: Key, holder: Holder) -> io::Result<bool> {
    let process = match pidfd::open(holder.pid) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
        other => other?,
    };
    // The number was read before the descriptor was opened: only a process that holds the lock now is the keeper.
    if !Table::open(key)?.holders()?.contains(&holder) {
        return Ok(false);
    }
    match pidfd::terminate(&process) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        other => other.map(|()| true),
    }
}
