// SPDX-License-Identifier: MIT OR Apache-2.0
//! What killed keepers left of interfaces that are gone: pins whose link names no interface any more. No request
//! will ever ask for those, so the next one that loads a program anyhow removes them.

use caps::Capability::CAP_BPF;
use xsk_bpf::{Redirect, Step};

use super::program::{folder, pinned};
use super::remove_program;
use crate::audit::{Line, What};
use crate::leases::key::Key;
use crate::leases::table::Table;
use crate::sys::privilege;

/// Looks at what is pinned for the network namespace of `own`, whose lock is held: a lock file is opened once, and that
/// one is open.
pub(super) fn sweep(own: Key) {
    let others = pinned().into_iter().filter(|key| key.netns == own.netns && *key != own);
    others.filter(|key| dead(*key)).for_each(remove);
}

/// Asked again under the lock. Somebody who is at work there cleans up for himself; then this is left to him.
fn remove(key: Key) {
    let Ok(table) = Table::open(key) else { return };
    if !table.try_lock_interface().unwrap_or(false) {
        return;
    }
    if table.holders().is_ok_and(|holders| holders.is_empty()) && dead(key) {
        remove_program(key);
        Line::new(What::Reap).with("ifindex", key.ifindex).with("netns", key.netns.cookie()).log();
    }
    table.unlock_interface();
}

/// A link that names ifindex 0 has lost its interface; one that was moved names another index. A folder without a
/// link is in the making, under the lock, or was left in the middle of it.
fn dead(key: Key) -> bool {
    let read = || Redirect::open_link(&folder(key))?.info();
    match privilege::with(&[CAP_BPF], read) {
        Ok(Ok(info)) => info.ifindex == 0,
        Ok(Err(error)) => error.step == Step::OpenPin && error.errno == libc::ENOENT,
        Err(_) => false,
    }
}
