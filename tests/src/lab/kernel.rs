// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel itself says about programs, locks and sockets, without any file of the helper's.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use super::sys;

/// Whether a BPF program of this id is in the kernel.
pub fn program_exists(id: u32) -> bool {
    sys::program_exists(id)
}

/// The processes that hold record locks, and the first byte of each lock (/proc/locks).
pub fn record_locks() -> Vec<(u32, u64)> {
    let all = fs::read_to_string("/proc/locks").unwrap();
    // `12: POSIX  ADVISORY  WRITE 4242 00:2f:17 4294967296 4294967296`; a blocked one has `->`
    // before its kind.
    let one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let held = words.get(1) == Some(&"POSIX");
        held.then(|| Some((words.get(4)?.parse().ok()?, words.get(6)?.parse().ok()?))).flatten()
    };
    all.lines().filter_map(one).collect()
}

/// A number that a socket option of SOL_SOCKET has.
///
/// # Errors
/// Those of getsockopt(2).
pub fn socket_option(fd: impl AsFd, name: i32) -> io::Result<i32> {
    sys::option(fd.as_fd(), name)
}
