// SPDX-License-Identifier: MIT OR Apache-2.0
//! The locked memory of a running QEMU. With too little of it, netdev_add does not fail but crashes
//! QEMU (see the sibling module of `run`).

use xsk_client::{Error, Kind, Request};

use super::qmp::Qmp;
use crate::qemu::QEMU_QUEUE;
use crate::sys::limits;

/// What so many queues lock, in bytes.
fn of(queues: u32) -> u64 {
    QEMU_QUEUE * u64::from(queues)
}

/// The request with what is charged to the user for these queues: nothing if a capability lifts the
/// limit.
pub(super) fn declare(request: Request, qmp: &Qmp, queues: u32) -> Request {
    let exempt = limits::peer(qmp.socket()).is_some_and(limits::holds_ipc_lock);
    if exempt { request } else { request.memlock(of(queues)) }
}

/// Refuses if QEMU could not lock the memory of `queues` more queues. If that cannot be found out,
/// it does not refuse.
pub(super) fn check(qmp: &Qmp, network: &str, queues: u32) -> Result<(), Error> {
    may_lock(qmp, of(queues) + QEMU_QUEUE * in_use(network))
}

/// The same after the helper has said what all leases of this user lock. As a rule QEMU is that
/// user's.
pub(super) fn check_after(qmp: &Qmp, leased: u64) -> Result<(), Error> {
    if limits::is_peers_user(qmp.socket()) { may_lock(qmp, leased) } else { Ok(()) }
}

fn may_lock(qmp: &Qmp, need: u64) -> Result<(), Error> {
    let Some(pid) = limits::peer(qmp.socket()) else { return Ok(()) };
    let Some(limit) = limits::memlock_of(pid) else { return Ok(()) };
    if limit >= need || limits::holds_ipc_lock(pid) {
        return Ok(());
    }
    let message = format!(
        "QEMU (process {pid}) needs {} MiB of locked memory with this netdev but may lock only {} MiB; \
         it would crash",
        need >> 20,
        limit >> 20
    );
    Err(Error::new(Kind::Memlock, "RLIMIT_MEMLOCK", message)
        .hint(format!("sudo prlimit --pid {pid} --memlock={need}:{need}")))
}

/// How many af-xdp queues QEMU has already; each is a line of `info network`.
fn in_use(network: &str) -> u64 {
    network.lines().filter(|line| line.contains("type=af-xdp")).count() as u64
}
