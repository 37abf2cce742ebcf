// SPDX-License-Identifier: MIT OR Apache-2.0
//! Slots that no lease accounts for: what is left of a lease whose keeper was killed while its
//! socket lives. Frames go to that socket until it is closed, so a slot is emptied only where
//! somebody asked for it.

use crate::audit::{Line, What};
use crate::bpf_call::privileged;
use crate::error::{Failure, Taken};
use crate::guard::Guard;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::leases::table::{Holder, LockAttempt, Table};

/// What was cleared of an interface.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cleared {
    /// Slots that are empty now and were not.
    pub(crate) slots: Vec<u32>,
    /// The program is off the interface: nobody used it any more.
    pub(crate) program: bool,
}

/// A keeper whose lease was ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) keeper: u32,
    /// It did not end by itself, and so has tidied nothing up.
    pub(crate) killed: bool,
}

/// Empties the slots of queues that nobody holds, or nobody but that keeper. If there was something
/// to tidy up, and nobody uses the interface any more, the program goes as well.
pub(crate) fn clear(
    key: Key,
    left: Option<Left>,
    wanted: impl Fn(u32) -> bool,
) -> Result<Cleared, Failure> {
    let failed = |error| Failure::sys("locking the interface", error);
    let table = Table::open(key).map_err(failed)?;
    if let LockAttempt::HeldBy { pid } = table.lock_interface().map_err(failed)? {
        return Err(Taken::UnseenSlots { ifindex: key.ifindex, pid }.into());
    }
    let cleared = clear_locked(key, &table, left, wanted);
    table.unlock_interface();
    cleared
}

fn clear_locked(
    key: Key,
    table: &Table,
    left: Option<Left>,
    wanted: impl Fn(u32) -> bool,
) -> Result<Cleared, Failure> {
    let failed = |error| Failure::sys("reading the lease table", error);
    let holders = table.holders().map_err(failed)?;
    let Some(redirect) = pins::open(key)? else { return Ok(Cleared::default()) };
    let occupied = privileged(|| redirect.slots.occupied_of(&redirect.map))?;
    let found = Findings::new(holders, occupied, left, wanted);
    for queue in &found.orphaned {
        privileged(|| redirect.map.remove(*queue))?;
        log(key, *queue);
    }
    if found.is_tidy() {
        return Ok(Cleared::default());
    }
    Guard::open().map_or(Ok(()), |guard| guard.forget_dead(key, &found.holders))?;
    let program = found.program_goes(table.is_any_used().map_err(failed)?);
    if program {
        pins::remove(key);
    }
    Ok(Cleared { slots: found.orphaned, program })
}

/// What is found of an interface under its lock, and what follows from it.
#[derive(Debug)]
struct Findings {
    /// Who holds queues, but for the keeper that is done with.
    holders: Vec<Holder>,
    /// Slots to empty, since nobody holds their queue.
    orphaned: Vec<u32>,
    /// Slots that stay as they are.
    kept: Vec<u32>,
    /// The keeper was killed, and so has tidied nothing up.
    killed: bool,
}

impl Findings {
    fn new(
        mut holders: Vec<Holder>,
        occupied: Vec<u32>,
        left: Option<Left>,
        wanted: impl Fn(u32) -> bool,
    ) -> Self {
        holders.retain(|holder| left.is_none_or(|left| left.keeper != holder.pid));
        let is_orphan = |queue: &u32| wanted(*queue) && is_free(*queue, &holders);
        let (orphaned, kept) = occupied.into_iter().partition(is_orphan);
        Self { holders, orphaned, kept, killed: left.is_some_and(|left| left.killed) }
    }

    /// Returns whether there is nothing more to do. A keeper that ended by itself has told the
    /// guard, and takes the program off as well.
    fn is_tidy(&self) -> bool {
        self.orphaned.is_empty() && !self.killed
    }

    /// Returns whether the program goes: nobody has a queue, no slot is filled, and no other
    /// process uses a program.
    fn program_goes(&self, used: bool) -> bool {
        !used && self.holders.is_empty() && self.kept.is_empty()
    }
}

fn is_free(queue: u32, holders: &[Holder]) -> bool {
    holders.iter().all(|holder| holder.queue != queue)
}

/// The queues of an interface whose slots are filled, and that nobody holds.
pub(crate) fn orphans(key: Key, holders: &[Holder]) -> Result<Vec<u32>, Failure> {
    let mut occupied = pins::occupied(key)?;
    occupied.retain(|queue| is_free(*queue, holders));
    Ok(occupied)
}

fn log(key: Key, queue: u32) {
    Line::new(What::Revoke)
        .with("ifindex", key.ifindex)
        .with("netns", key.netns.cookie())
        .with("queue", queue)
        .with("emptied", "slot")
        .log();
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn holder(queue: u32, pid: u32) -> Holder {
        Holder { queue, uid: 1000, pid }
    }

    const KILLED: Option<Left> = Some(Left { keeper: 7, killed: true });
    const ENDED: Option<Left> = Some(Left { keeper: 7, killed: false });

    fn find(holders: &[Holder], occupied: &[u32], left: Option<Left>) -> Findings {
        Findings::new(holders.to_vec(), occupied.to_vec(), left, |queue| queue < 8)
    }

    #[test]
    fn only_wanted_slots_that_nobody_holds_are_emptied() {
        let found = find(&[holder(0, 9)], &[0, 1, 8], None);
        assert_eq!((&found.orphaned[..], &found.kept[..]), (&[1][..], &[0, 8][..]));
    }

    #[test]
    fn the_keeper_that_is_done_with_holds_nothing() {
        let found = find(&[holder(0, 7), holder(1, 9)], &[0, 1], KILLED);
        assert_eq!((&found.orphaned[..], &found.kept[..]), (&[0][..], &[1][..]));
        assert_eq!(found.holders, [holder(1, 9)]);
    }

    #[test]
    fn an_interface_is_tidied_where_a_slot_was_emptied_or_a_keeper_killed() {
        assert!(find(&[], &[], None).is_tidy() && find(&[], &[], ENDED).is_tidy());
        assert!(!find(&[], &[], KILLED).is_tidy() && !find(&[], &[1], ENDED).is_tidy());
    }

    #[test]
    fn the_program_goes_with_the_last_who_uses_it() {
        assert!(find(&[holder(0, 7)], &[0], KILLED).program_goes(false));
        assert!(!find(&[holder(0, 7)], &[0], KILLED).program_goes(true));
        assert!(!find(&[holder(1, 9)], &[0], None).program_goes(false));
        assert!(!find(&[], &[8], None).program_goes(false));
    }
}
