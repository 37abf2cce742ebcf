// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removes what killed keepers left: programs on interfaces where no process holds a queue and
//! every slot is empty, and pins without a program. It holds the interface's lock meanwhile, so
//! running leases are safe. A slot that is filled without a lease has a socket that works: it is
//! printed and not emptied.
//!
//! A process that was killed just now still has its locks and sockets for a moment. So interfaces
//! that are in use are looked at again, within the time that a request waits for a queue.

use std::time::Duration;

use super::stale;
use crate::audit::{Line, What};
use crate::error::Failure;
use crate::guard::Guard;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::leases::table::{self, LockAttempt, Table};
use crate::netlink;
use crate::netns;
use crate::revoke::orphan_slots;

/// The pauses between the looks, in milliseconds.
const PAUSES: [u64; 4] = [50, 50, 100, 200];

/// Looks at everything that is pinned; says what it removed.
pub(crate) fn reap() -> Result<(), Failure> {
    let mut used = pins::all();
    let found = used.len();
    let mut pauses = PAUSES.into_iter().map(Duration::from_millis);
    loop {
        used = reap_unused(used)?;
        match pauses.next() {
            Some(pause) if !used.is_empty() => std::thread::sleep(pause),
            _ => break,
        }
    }
    if let Some(guard) = Guard::open() {
        for key in guard.interfaces()? {
            forget_dead(&guard, key)?;
        }
    }
    let stale = stale::remove();
    if stale > 0 {
        println!("removed {stale} lock files and texts that nobody used");
    } else if used.len() == found {
        println!("nothing to remove");
    }
    used.into_iter().try_for_each(report)
}

/// Prints the slots that no lease accounts for. Their sockets work and a program may be using them,
/// so a person has to decide.
fn report(key: Key) -> Result<(), Failure> {
    let failed = |error| Failure::sys("reading the lease table", error);
    let holders = table::holders(key).map_err(failed)?;
    for queue in orphan_slots::orphans(key, &holders)? {
        let (place, command) = names(key, queue);
        println!(
            "queue {queue} of {place}: a socket that no lease accounts for receives until it is closed; to end that: {command}"
        );
    }
    Ok(())
}

/// An interface in words, and the command that ends what is on one of its queues.
fn names(key: Key, queue: u32) -> (String, String) {
    let here = netns::own().is_ok_and(|own| own == key.netns);
    let link = || netlink::route().ok()?.link_by_index(key.ifindex).ok().flatten();
    match link().filter(|_| here) {
        Some(link) => {
            let command = format!("xsk-helper revoke {} --queue {queue}", link.name);
            (link.name, command)
        }
        None => {
            let place = format!("interface {} of another network namespace", key.ifindex);
            (place, format!("xsk-helper revoke IFNAME --queue {queue}, in that namespace"))
        }
    }
}

/// Returns those that are in use.
fn reap_unused(keys: Vec<Key>) -> Result<Vec<Key>, Failure> {
    let mut used = Vec::new();
    for key in keys {
        if reap_one(key)? {
            println!("removed {}", pins::folder(key).display());
            Line::new(What::Reap)
                .with("ifindex", key.ifindex)
                .with("netns", key.netns.cookie())
                .log();
        } else {
            used.push(key);
        }
    }
    Ok(used)
}

fn reap_one(key: Key) -> Result<bool, Failure> {
    let failed = |error| Failure::sys("opening a lock file", error);
    let table = Table::open(key).map_err(failed)?;
    if table.lock_interface().map_err(failed)? != LockAttempt::Locked {
        // Another process is working there. What it leaves, the next run removes.
        return Ok(false);
    }
    let unused = table.holders().map_err(failed)?.is_empty()
        && is_empty(key)
        && !table.is_any_used().map_err(failed)?;
    if unused {
        pins::remove(key);
    }
    table.unlock_interface();
    Ok(unused)
}

/// Has the bind guard forget the leases whose keepers were killed.
fn forget_dead(guard: &Guard, key: Key) -> Result<(), Failure> {
    let failed = |error| Failure::sys("opening a lock file", error);
    let table = Table::open(key).map_err(failed)?;
    if table.lock_interface().map_err(failed)? != LockAttempt::Locked {
        return Ok(());
    }
    let holders = table.holders().map_err(failed)?;
    let forgotten = guard.forget_dead(key, &holders);
    table.unlock_interface();
    forgotten
}

/// Returns whether every slot is empty. What cannot be read is in use.
fn is_empty(key: Key) -> bool {
    pins::occupied(key).map_or_else(
        |failure| {
            let dir = pins::folder(key);
            Line::new(What::Error).with("pins", dir.display()).with("error", failure).log();
            false
        },
        |occupied| occupied.is_empty(),
    )
}
