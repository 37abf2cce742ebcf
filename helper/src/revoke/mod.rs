// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends leases before their holders do. What is said to be revoked is: its keeper holds nothing any
//! more, and its slots are empty.

mod about;
pub(crate) mod command_line;
mod end_keepers;
pub(crate) mod orphan_slots;
mod processes;

use xsk_proto::{IfName, Revoke};

use crate::audit::{Line, What};
use crate::caller::Caller;
use crate::error::{Failure, InterfaceFault, PolicyFault, Taken};
use crate::leases::key::{Key, Netns};
use crate::leases::record::Record;
use crate::leases::table::{self, Holder};
use crate::{leases, netlink};
pub(crate) use about::About;
pub(crate) use end_keepers::{End, Ended};
pub(crate) use orphan_slots::Cleared;

/// Which leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) interface: Option<Key>,
    pub(crate) queue: Option<u32>,
    pub(crate) uid: Option<u32>,
    /// The lease's number.
    pub(crate) lease: Option<u64>,
}

impl Choice {
    /// Returns what a client asks to be ended; `None` if it asks for another user's leases and is
    /// not root.
    fn of_client(request: &Revoke, client: u32, interface: Option<Key>) -> Option<Self> {
        let given = |number: u32| (number != Revoke::ANY).then_some(number);
        let uid = match given(request.user) {
            user if client == 0 => user,
            Some(user) if user != client => return None,
            _ => Some(client),
        };
        Some(Self { interface, queue: given(request.queue), uid, lease: None })
    }

    fn covers(self, key: Key, holder: Holder) -> bool {
        self.interface.is_none_or(|wanted| wanted == key)
            && self.queue.is_none_or(|wanted| wanted == holder.queue)
            && self.uid.is_none_or(|wanted| wanted == holder.uid)
    }
}

/// What came of a revoke.
pub(crate) struct Revoked {
    pub(crate) leases: Vec<Ended>,
    /// What was known of them.
    pub(crate) about: Vec<About>,
    /// What was there without a lease.
    pub(crate) orphans: Cleared,
}

impl Revoked {
    /// Whether there was nothing to end and nothing to clear.
    pub(crate) fn is_nothing(&self) -> bool {
        self.leases.is_empty() && self.orphans == Cleared::default()
    }

    /// Returns what was known of a lease.
    pub(crate) fn about(&self, lease: &Ended) -> Option<&About> {
        self.about.iter().find(|about| about.keeper == lease.keeper)
    }

    /// Returns how many leases have ended, or the keeper that holds its queues all the same.
    pub(crate) fn proven(&self) -> Result<u32, Failure> {
        match self.leases.iter().find(|lease| lease.end == End::Holding) {
            Some(Ended { keeper: pid, uid, queues, .. }) => {
                Err(Taken::Keeper { pid: *pid, uid: *uid, queues: queues.clone() }.into())
            }
            None => Ok(self.leases.len() as u32),
        }
    }
}

/// For a client: its own leases, or anybody's if it is root. Whether there is such an interface, or
/// whether another user has a lease on it, is none of an ordinary user's business: the answer is
/// the same.
pub(crate) fn by_client(request: &Revoke, caller: &Caller) -> Result<u32, Failure> {
    let not_theirs = || PolicyFault::NoSuchLease { uid: caller.uid }.into();
    let interface = match interface(&request.ifname, caller.netns) {
        Err(Failure::Interface(InterfaceFault::Missing(_))) if caller.uid != 0 => {
            return Err(not_theirs());
        }
        found => found?,
    };
    let choice = Choice::of_client(request, caller.uid, interface).ok_or_else(not_theirs)?;
    match end(choice)?.proven()? {
        0 if caller.uid != 0 => Err(not_theirs()),
        ended => Ok(ended),
    }
}

/// The interface of a name; none for an empty one.
pub(crate) fn interface(name: &str, netns: Netns) -> Result<Option<Key>, Failure> {
    if name.is_empty() {
        return Ok(None);
    }
    let name = IfName::parse(name).map_err(|error| InterfaceFault::BadName {
        shown: "interface".into(),
        reason: error.to_string(),
    })?;
    let failed = |error| Failure::sys("asking the kernel about the interface", error);
    let link =
        netlink::route().and_then(|netlink| netlink.link_by_name(name.as_str())).map_err(failed)?;
    match link {
        Some(link) => Ok(Some(Key { netns, ifindex: link.ifindex })),
        None => Err(InterfaceFault::Missing(name.to_string()).into()),
    }
}

fn chosen(choice: Choice) -> Result<Vec<(Key, Holder)>, Failure> {
    let failed = |error| Failure::sys("reading the lease table", error);
    let mut found = Vec::new();
    for key in leases::interfaces() {
        let holders = table::holders(key).map_err(failed)?;
        let is_lease = |holder: &Holder, lease| {
            Record::of_keeper(key, holder.pid).is_some_and(|record| record.lease == lease)
        };
        let covered = holders.into_iter().filter(|holder| {
            choice.covers(key, *holder) && choice.lease.is_none_or(|lease| is_lease(holder, lease))
        });
        found.extend(covered.map(|holder| (key, holder)));
    }
    Ok(found)
}

/// Ends what was chosen, and clears the slots that no lease accounts for if an interface was chosen
/// and no user.
pub(crate) fn end(choice: Choice) -> Result<Revoked, Failure> {
    let chosen = chosen(choice)?;
    let about = About::all(&chosen);
    let leases = end_keepers::end(&chosen)?;
    leases.iter().for_each(log);
    let orphans = match choice {
        Choice { interface: Some(key), uid: None, lease: None, queue } => {
            orphan_slots::clear(key, None, |other| queue.is_none_or(|queue| queue == other))?
        }
        _ => Cleared::default(),
    };
    Ok(Revoked { leases, about, orphans })
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { netns: Netns::Cookie(1), ifindex: 2 };
    const OTHER: Key = Key { netns: Netns::Cookie(1), ifindex: 3 };
    const ALICE: u32 = 1000;

    fn asked(user: u32, queue: u32, client: u32) -> Option<(Option<u32>, Option<u32>)> {
        let request = Revoke { ifname: String::new(), queue, user };
        Choice::of_client(&request, client, None).map(|choice| (choice.uid, choice.queue))
    }

    #[test]
    fn a_user_ends_leases_of_that_user_alone_and_root_ends_all() {
        const ANY: u32 = Revoke::ANY;
        assert_eq!(asked(ANY, ANY, ALICE), Some((Some(ALICE), None)));
        assert_eq!(asked(ALICE, 3, ALICE), Some((Some(ALICE), Some(3))));
        assert_eq!((asked(ALICE + 1, ANY, ALICE), asked(0, ANY, ALICE)), (None, None));
        assert_eq!(asked(ANY, ANY, 0), Some((None, None)));
        assert_eq!(asked(ALICE, ANY, 0), Some((Some(ALICE), None)));
    }

    #[test]
    fn what_was_chosen_has_to_hold_all_together() {
        let holder = Holder { queue: 4, uid: ALICE, pid: 7 };
        let all = Choice { interface: None, queue: None, uid: None, lease: None };
        let one = Choice { interface: Some(KEY), queue: Some(4), uid: Some(ALICE), lease: None };
        assert!(all.covers(KEY, holder) && one.covers(KEY, holder));
        assert!(!one.covers(OTHER, holder));
        assert!(!one.covers(KEY, Holder { queue: 5, ..holder }));
        assert!(!one.covers(KEY, Holder { uid: ALICE + 1, ..holder }));
    }

    #[test]
    fn a_keeper_that_stays_is_no_success() {
        let ended = |end| Ended {
            uid: ALICE,
            keeper: 7,
            key: KEY,
            queues: vec![0],
            end,
            cleared: Cleared::default(),
        };
        let of =
            |leases| Revoked { leases, about: Vec::new(), orphans: Cleared::default() }.proven();
        assert_eq!(of(vec![ended(End::Told), ended(End::Killed)]), Ok(2));
        assert!(matches!(of(vec![ended(End::Told), ended(End::Holding)]), Err(Failure::Taken(_))));
    }
}
