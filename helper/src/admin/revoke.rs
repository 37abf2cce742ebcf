// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends leases before their holders do. What is said to be revoked is: its keeper holds nothing any
//! more, and its slots are empty.

use nix::unistd::User;
use xsk_proto::{Code, IfName, Revoke};

use super::end_keepers::{self, End, Ended};
use super::orphan_slots::{self, Cleared};
use super::{as_service, revoke_report as words};
use crate::audit::{Line, What};
use crate::error::Failure;
use crate::leases::key::{Key, Netns};
use crate::leases::table::{self, Holder};
use crate::netlink;
use crate::netns;
use crate::serve::caller::Caller;
use crate::serve::status::keys;

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

/// What came of a revoke.
pub(super) struct Revoked {
    pub(super) leases: Vec<Ended>,
    /// What was there without a lease.
    pub(super) orphans: Cleared,
}

impl Revoked {
    /// How many leases have ended; or the keeper that holds its queues all the same.
    fn proven(&self) -> Result<u32, Failure> {
        match self.leases.iter().find(|lease| lease.end == End::Holding) {
            Some(lease) => Err(words::holding(lease)),
            None => Ok(self.leases.len() as u32),
        }
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
    let choice = Choice { interface, queue: given(request.queue), uid };
    let ended = if of_another { 0 } else { end(choice)?.proven()? };
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
    let revoked = end(Choice { interface, queue: arguments.queue, uid })?;
    words::of(&revoked).iter().for_each(|line| println!("{line}"));
    revoked.proven().map(drop)
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
        let holders = table::holders(key).map_err(failed)?;
        found.extend(
            holders.into_iter().filter(|holder| choice.covers(key, *holder)).map(|holder| (key, holder)),
        );
    }
    Ok(found)
}

/// Ends what was chosen, and clears the slots that no lease accounts for where nobody's leases
/// alone were meant.
fn end(choice: Choice) -> Result<Revoked, Failure> {
    let leases = end_keepers::end(&chosen(choice)?)?;
    leases.iter().for_each(log);
    let orphans = match choice {
        Choice { interface: Some(key), uid: None, queue } => {
            orphan_slots::clear(key, None, |other| queue.is_none_or(|queue| queue == other))?
        }
        _ => Cleared::default(),
    };
    Ok(Revoked { leases, orphans })
}

fn log(ended: &Ended) {
    let word = match ended.end {
        End::Told => "told",
        End::Killed => "killed",
        End::Holding => "holding",
    };
    let first = ended.queues.first().copied().unwrap_or_default();
    Line::new(What::Revoke)
        .with("uid", ended.uid)
        .with("keeper", ended.keeper)
        .with("ifindex", ended.key.ifindex)
        .with("queue", first)
        .with("queues", ended.queues.len())
        .with("end", word)
        .log();
}
