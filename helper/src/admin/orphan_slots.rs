// SPDX-License-Identifier: MIT OR Apache-2.0
//! Slots that no lease accounts for: what is left of a lease whose keeper was killed while its
//! socket lives. Frames go to that socket until it is closed, so a slot is emptied only where
//! somebody asked for it.

use xsk_bpf::{Error, Redirect, Step};
use xsk_proto::Code;

use crate::audit::{Line, What};
use crate::error::Failure;
use crate::grant::guard::Guard;
use crate::grant::program::{folder, privileged};
use crate::grant::remove_program;
use crate::leases::key::Key;
use crate::leases::table::{Holder, Table};

/// What was cleared of an interface.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cleared {
    /// Slots that are empty now and were not.
    pub(super) slots: Vec<u32>,
    /// The program is off the interface: nobody used it any more.
    pub(super) program: bool,
}

/// A keeper whose lease was ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub(super) keeper: u32,
    /// It did not end by itself, and so has tidied nothing up.
    pub(super) killed: bool,
}

/// Empties the slots of queues that nobody holds, or nobody but that keeper. If there was something
/// to tidy up, and nobody uses the interface any more, the program goes as well.
pub(super) fn clear(key: Key, left: Option<Left>, wanted: impl Fn(u32) -> bool) -> Result<Cleared, Failure> {
    let failed = |error| Failure::internal("locking the interface", error);
    let table = Table::open(key).map_err(failed)?;
    if let Err(pid) = table.lock_interface().map_err(failed)? {
        return Err(locked(key, pid));
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
    let mut holders = table.holders().map_err(|error| Failure::internal("reading the lease table", error))?;
    holders.retain(|holder| left.is_none_or(|left| left.keeper != holder.pid));
    let Some(redirect) = open(key)? else { return Ok(Cleared::default()) };
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
    let used = table.is_any_used().map_err(|error| Failure::internal("reading the lease table", error))?;
    let program = !used && holders.is_empty() && others.is_empty();
    if program {
        remove_program(key);
    }
    Ok(Cleared { slots, program })
}

fn is_free(queue: u32, holders: &[Holder]) -> bool {
    holders.iter().all(|holder| holder.queue != queue)
}

/// The queues of an interface whose slots are filled, and that nobody holds.
pub(super) fn orphans(key: Key, holders: &[Holder]) -> Result<Vec<u32>, Failure> {
    let Some(redirect) = open(key)? else { return Ok(Vec::new()) };
    let mut occupied = privileged(|| redirect.slots.occupied_of(&redirect.map))?;
    occupied.retain(|queue| is_free(*queue, holders));
    Ok(occupied)
}

/// Without all its pins, a folder has no program that could receive.
fn open(key: Key) -> Result<Option<Redirect>, Failure> {
    privileged(|| match Redirect::open(&folder(key)) {
        Err(Error { step: Step::OpenPin, errno: libc::ENOENT }) => Ok(None),
        redirect => redirect.map(Some),
    })
}

fn locked(key: Key, pid: u32) -> Failure {
    let message = format!(
        "process {pid} holds the lock of interface {} for longer than a grant takes, so its slots were not looked at",
        key.ifindex
    );
    Failure::new(Code::Busy, "the interface", message).hint("try again; if it stays so, look at that process")
}

fn log(key: Key, queue: u32) {
    Line::new(What::Revoke)
        .with("ifindex", key.ifindex)
        .with("netns", key.netns.cookie())
        .with("queue", queue)
        .with("emptied", "slot")
        .log();
}
