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
pub(crate) fn clear(key: Key, left: Option<Left>, wanted: impl Fn(u32) -> bool) -> Result<Cleared, Failure> {
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
    let mut holders = table.holders().map_err(|error| Failure::sys("reading the lease table", error))?;
    holders.retain(|holder| left.is_none_or(|left| left.keeper != holder.pid));
    let Some(redirect) = pins::open(key)? else { return Ok(Cleared::default()) };
    let occupied = privileged(|| redirect.slots.occupied_of(&redirect.map))?;
    let (slots, others): (Vec<u32>, Vec<u32>) =
        occupied.into_iter().partition(|queue| wanted(*queue) && is_free(*queue, &holders));
    for queue in &slots {
        privileged(|| redirect.map.remove(*queue))?;
        log(key, *queue);
    }
    // A keeper that ended by itself has told the guard, and takes the program off as well.
    if slots.is_empty() && !left.is_some_and(|left| left.killed) {
        return Ok(Cleared::default());
    }
    Guard::open().map_or(Ok(()), |guard| guard.forget_dead(key, &holders))?;
    let used = table.is_any_used().map_err(|error| Failure::sys("reading the lease table", error))?;
    let program = !used && holders.is_empty() && others.is_empty();
    if program {
        pins::remove(key);
    }
    Ok(Cleared { slots, program })
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
