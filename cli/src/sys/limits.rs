// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much memory the next program may lock: its limit, and whether a capability lifts the limit.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, getuid, setrlimit};
use rustix::thread::{
    CapabilitySet, capability_is_in_ambient_set, capability_is_in_bounding_set, no_new_privs,
};

/// include/uapi/linux/capability.h.
const CAP_IPC_LOCK: u32 = 14;

/// The soft and the hard locked-memory limit in bytes; `None` is no limit.
pub(crate) fn memlock() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Memlock);
    (limit.current, limit.maximum)
}

/// Raises the soft limit as far as the hard one.
pub(crate) fn raise_memlock() -> Result<(), Errno> {
    let limit = getrlimit(Resource::Memlock);
    setrlimit(Resource::Memlock, Rlimit { current: limit.maximum, maximum: limit.maximum })
}

/// Whether `program` will run with an effective CAP_IPC_LOCK of the first user namespace: the limit
/// is not looked at then (`xdp_umem_account_pages`, net/xdp/xdp_umem.c).
pub(crate) fn exempt(program: &Path) -> bool {
    let root = geteuid().is_root() || getuid().is_root();
    let lock = CapabilitySet::IPC_LOCK;
    let held =
        if root { capability_is_in_bounding_set(lock) } else { capability_is_in_ambient_set(lock) };
    in_first_user_namespace() && (held.unwrap_or(false) || file_has_ipc_lock(program))
}

/// The first user namespace maps every uid to itself.
fn in_first_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Whether the file's capabilities (`struct vfs_cap_data`, include/uapi/linux/capability.h) hold
/// CAP_IPC_LOCK as permitted and effective.
fn file_has_ipc_lock(program: &Path) -> bool {
    const EFFECTIVE: u32 = 1;
    let mut data = [0_u8; 24];
    let Ok(length) = rustix::fs::getxattr(program, "security.capability", &mut data[..]) else {
        return false;
    };
    let word = |at: usize| {
        data.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    };
    let granted = word(0) & EFFECTIVE != 0 && word(4) & (1 << CAP_IPC_LOCK) != 0;
    length >= 12 && granted && !no_new_privs().unwrap_or(false)
}

/// The process at the other end of a connection: the one that listened.
pub(crate) fn peer(socket: BorrowedFd<'_>) -> Option<i32> {
    rustix::net::sockopt::socket_peercred(socket).ok().map(|peer| peer.pid.as_raw_nonzero().get())
}

/// Whether the process at the other end of a connection is of the user who runs this one.
pub(crate) fn is_peers_user(socket: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_peercred(socket).is_ok_and(|peer| peer.uid == getuid())
}

/// The soft locked-memory limit of another process in bytes, as far as it may be read.
pub(crate) fn memlock_of(pid: i32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Whether another process has CAP_IPC_LOCK in effect.
pub(crate) fn holds_ipc_lock(pid: i32) -> bool {
    let held = |status: String| {
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?.trim().to_owned();
        Some(u64::from_str_radix(&mask, 16).ok()? & (1 << CAP_IPC_LOCK) != 0)
    };
    std::fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(held).unwrap_or(false)
}
