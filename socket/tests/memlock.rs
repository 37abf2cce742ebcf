// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limit of locked memory, as a user without capabilities meets it. One test a process: it
//! changes the limit and gives up the process's privileges for good.

mod common;

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use xsk_socket::{Config, Error, Unbound};

/// Far from any real user, so that nobody else's locked memory counts.
const STRANGER: u32 = 3_999_999_917;

#[test]
fn too_little_locked_memory_means_fewer_frames_or_a_useful_error() {
    if !nix::unistd::geteuid().is_root() {
        common::skipped("needs root, to create AF_XDP sockets");
        return;
    }
    let sockets = [Unbound::create().unwrap(), Unbound::create().unwrap()];
    setrlimit(Resource::RLIMIT_MEMLOCK, 1 << 20, 1 << 20).unwrap();
    setgroups(&[]).unwrap();
    setresgid(Gid::from_raw(STRANGER), Gid::from_raw(STRANGER), Gid::from_raw(STRANGER)).unwrap();
    setresuid(Uid::from_raw(STRANGER), Uid::from_raw(STRANGER), Uid::from_raw(STRANGER)).unwrap();
    let [first, second] = sockets;
    let ready = first.prepare(&Config::default()).unwrap();
    assert_eq!(ready.frames(), 224, "896 and 448 frames of 4096 bytes do not fit in 1 MiB");
    let error = second.prepare(&Config::default().frames(896).min_frames(896)).unwrap_err();
    assert!(
        matches!(error, Error::Memlock { needed: 3_670_016, limit: Some(1_048_576) }),
        "{error:?}"
    );
    let message = error.to_string();
    assert!(message.contains("locking 3670016 bytes for the UMEM was refused"), "{message}");
    assert!(message.contains("`ulimit -l 3584`"), "{message}");
}
