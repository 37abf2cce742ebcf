// SPDX-License-Identifier: MIT OR Apache-2.0
//! What killed keepers left of interfaces that are gone: pins whose link names no interface any
//! more. No request will ever ask for those, so the next one that loads a program anyhow removes
//! them.

use xsk_bpf::{Error, LinkInfo, Step};

use crate::audit::{Line, What};
use crate::bpf_call::raised;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::leases::table::Table;

/// Sweeps what is pinned for the network namespace of `own`, whose lock this process holds: its
/// lock file is open already, and a process must not open one twice.
pub(super) fn sweep(own: Key) {
    for key in residue(own, pins::all(), is_gone) {
        remove(key);
    }
}

/// Returns those of the pinned interfaces that are of the same namespace, are not `own`, and are
/// gone.
fn residue(own: Key, pinned: Vec<Key>, is_gone: impl Fn(Key) -> bool) -> Vec<Key> {
    let of_others = |key: &Key| key.netns == own.netns && *key != own;
    pinned.into_iter().filter(of_others).filter(|key| is_gone(*key)).collect()
}

/// Removes the pins if the interface is still gone under its lock. A process that has the lock
/// cleans up by itself.
fn remove(key: Key) {
    let Ok(table) = Table::open(key) else { return };
    if !table.try_lock_interface().unwrap_or(false) {
        return;
    }
    if table.holders().is_ok_and(|holders| holders.is_empty()) && is_gone(key) {
        pins::remove(key);
        Line::new(What::Reap).with("ifindex", key.ifindex).with("netns", key.netns.cookie()).log();
    }
    table.unlock_interface();
}

fn is_gone(key: Key) -> bool {
    raised(|| pins::link_info(key)).is_ok_and(|info| names_nothing(&info))
}

/// Returns whether the pinned link, or the lack of one, says that the interface is gone. A link
/// that names ifindex 0 has lost its interface; one whose interface was moved names another index.
/// A folder without a link was left by a process that was killed while it made or removed the pins,
/// unless the lock is held.
fn names_nothing(info: &Result<LinkInfo, Error>) -> bool {
    match info {
        Ok(info) => info.ifindex == 0,
        Err(error) => error.step == Step::OpenPin && error.errno == libc::ENOENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leases::key::Netns;

    const fn key(netns: u64, ifindex: u32) -> Key {
        Key { netns: Netns::Cookie(netns), ifindex }
    }

    #[test]
    fn pins_of_gone_interfaces_of_this_namespace_are_residue() {
        let pinned = vec![key(1, 2), key(1, 3), key(1, 4), key(2, 3)];
        let gone = |key: Key| key.ifindex != 4;
        assert_eq!(residue(key(1, 2), pinned, gone), [key(1, 3)]);
    }

    #[test]
    fn a_link_without_an_interface_and_a_folder_without_a_link_are_gone() {
        let link = |ifindex| Ok(LinkInfo { ifindex, prog_id: 7 });
        let error = |step, errno| Err(Error { step, errno });
        assert!(names_nothing(&link(0)) && !names_nothing(&link(3)));
        assert!(names_nothing(&error(Step::OpenPin, libc::ENOENT)));
        assert!(!names_nothing(&error(Step::OpenPin, libc::EPERM)));
        assert!(!names_nothing(&error(Step::Info, libc::ENOENT)));
    }
}
