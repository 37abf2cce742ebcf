// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends leases before their holders do: SIGTERM to their keepers, by a descriptor of the process, which after
//! it was opened is proven to hold the lock.

use std::collections::BTreeSet;
use std::io;

use nix::unistd::User;
use xsk_bpf::Redirect;
use xsk_proto::{Code, IfName, Revoke};

use super::as_service;
use crate::audit::{Line, What};
use crate::error::Failure;
use crate::grant::program::{folder, privileged};
use crate::leases::key::{Key, Netns};
use crate::leases::table::{Holder, Table};
use crate::netlink;
use crate::netns;
use crate::serve::caller::Caller;
use crate::serve::status::keys;
use crate::sys::pidfd;

/// Which leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Choice {
    interface: Option<Key>,
    queue: Option<u32>,
    uid: Option<u32>,
}

impl Choice {
    fn covers(self, key: Key, holder: Holder) -> bool {
        self.interface.is_none_or(|wanted| wanted == key)
            && self.queue.is_none_or(|wanted| wanted == holder.queue)
            && self.uid.is_none_or(|wanted| wanted == holder.uid)
    }
}

/// For a client: his own leases, or anybody's where he is root. Whether there is such an interface, or whether
/// somebody else has a lease on it, is none of another user's business: he gets the same answer.
pub(crate) fn by_client(request: &Revoke, caller: &Caller) -> Result<u32, Failure> {
    let given = |number: u32| (number != Revoke::ANY).then_some(number);
    let root = caller.uid == 0;
    let uid = if root { given(request.user) } else { Some(caller.uid) };
    let of_another = given(request.user).is_some_and(|user| Some(user) != uid);
    let interface = match interface(&request.ifname, caller.netns) {
        Err(failure) if !root && failure.code() == Code::NoSuchInterface => return Err(not_his(caller.uid)),
        found => found?,
    };
    let ended = if of_another { 0 } else { end(Choice { interface, queue: given(request.queue), uid })? };
    if ended == 0 && !root { Err(not_his(caller.uid)) } else { Ok(ended) }
}

fn not_his(uid: u32) -> Failure {
    Failure::new(Code::NotAllowed, "lease", format!("uid {uid} has no such lease"))
        .hint("see your leases: xsk-client status; the administrator can revoke others': xsk-helper revoke")
}

/// For root at a shell.
pub(crate) fn by_command(arguments: &super::Revoke) -> Result<(), Failure> {
    let uid = arguments.user.as_deref().map(user).transpose()?;
    as_service()?;
    let interface = interface(arguments.ifname.as_deref().unwrap_or_default(), netns::own()?)?;
    let choice = Choice { interface, queue: arguments.queue, uid };
    let in_part = chosen(choice)?.iter().any(|(key, _)| !can_end(*key));
    let ended = end(choice)?;
    println!("{ended} leases revoked; their holders can still send until they close their sockets");
    if in_part {
        println!(
            "before Linux 5.19 they can receive until then as well, as long as the interface has other leases"
        );
    }
    Ok(())
}

/// Whether a keeper may empty the slots of this interface, as a process without a capability in effect is told.
fn can_end(key: Key) -> bool {
    privileged(|| Redirect::open(&folder(key))).is_ok_and(|redirect| redirect.map.is_changeable())
}

fn user(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(Failure::new(Code::NotAllowed, name, format!("there is no user '{name}'"))
            .hint("a name or a number; see who has leases: xsk-client status")),
    }
}

/// The interface of a name; none for an empty one.
fn interface(name: &str, netns: Netns) -> Result<Option<Key>, Failure> {
    if name.is_empty() {
        return Ok(None);
    }
    let name = IfName::parse(name).map_err(|error| {
        Failure::new(Code::BadName, "interface", error.to_string()).hint("see the names: ip link")
    })?;
    let failed = |error| Failure::internal("asking the kernel about the interface", error);
    let link = netlink::route().and_then(|netlink| netlink.link_by_name(name.as_str())).map_err(failed)?;
    let ifindex = link.map(|link| link.ifindex).ok_or_else(|| {
        Failure::new(Code::NoSuchInterface, name.as_str(), format!("there is no interface '{name}'"))
            .hint("list the interfaces of this network namespace: ip link")
    })?;
    Ok(Some(Key { netns, ifindex }))
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
