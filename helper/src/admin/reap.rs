// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removes what killed keepers left: programs on interfaces where nobody holds a queue and every slot is
//! empty, and pins without a program. Under the interface's lock, so beside running leases it is safe.

use std::path::Path;

use xsk_bpf::Redirect;

use crate::audit::{Line, What};
use crate::error::Failure;
use crate::grant::guard::Guard;
use crate::grant::program::{self, privileged};
use crate::grant::remove_program;
use crate::leases::key::Key;
use crate::leases::table::Table;

/// Looks at everything that is pinned; says what it removed.
pub(crate) fn reap() -> Result<(), Failure> {
    let mut removed = 0u32;
    for key in program::pinned() {
        let dir = program::folder(key);
        if reap_one(key, &dir)? {
            removed += 1;
            println!("removed {}", dir.display());
            Line::new(What::Reap).with("ifindex", key.ifindex).with("netns", key.netns.cookie()).log();
        }
    }
    if let Some(guard) = Guard::open() {
        for key in guard.interfaces()? {
            forget_dead(&guard, key)?;
        }
    }
    if removed == 0 {
        println!("nothing to remove");
    }
    Ok(())
}

fn reap_one(key: Key, dir: &Path) -> Result<bool, Failure> {
    let failed = |error| Failure::internal("opening a lock file", error);
    let table = Table::open(key).map_err(failed)?;
    if table.lock_interface().map_err(failed)?.is_err() {
        // Somebody is at work there; what he leaves is the next one's.
        return Ok(false);
    }
    let unused = table.holders().map_err(failed)?.is_empty() && empty(dir)? && !table.lingers();
    if unused {
        remove_program(key);
    }
    table.unlock_interface();
    Ok(unused)
}

/// Has the bind guard forget the leases whose keepers were killed.
fn forget_dead(guard: &Guard, key: Key) -> Result<(), Failure> {
    let failed = |error| Failure::internal("opening a lock file", error);
    let table = Table::open(key).map_err(failed)?;
    if table.lock_interface().map_err(failed)?.is_err() {
        return Ok(());
    }
    let holders = table.holders().map_err(failed)?;
    let forgotten = guard.forget_dead(key, &holders);
    table.unlock_interface();
    forgotten
}

/// Whether every slot is empty; without all its pins, a folder has no program that could receive.
fn empty(dir: &Path) -> Result<bool, Failure> {
    match privileged(|| Redirect::open(dir)) {
        Ok(redirect) => Ok(privileged(|| redirect.slots.occupied_of(&redirect.map))?.is_empty()),
        Err(_) => Ok(true),
    }
}
