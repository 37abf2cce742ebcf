// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs on the interface that are not pinned for it. One that no pin accounts for is somebody else's and is left
//! alone; one that a pin under another key accounts for came with the interface from another network namespace.

use xsk_netlink::Link;
use xsk_proto::{Code, Mode};

use super::pinned::Pinned;
use crate::bpf_call::privileged;
use crate::error::Failure;
use crate::kernel::mode;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::leases::table::Table;

/// Refuses another's program, and removes a stray one of ours that nobody uses.
pub(super) fn check(link: &Link) -> Result<(), Failure> {
    for program in &link.xdp {
        match pinned_elsewhere(program.prog_id) {
            Some(key) => remove_stray(key, &link.name)?,
            None => return Err(foreign(&link.name, program.prog_id, mode(program.mode))),
        }
    }
    Ok(())
}

fn pinned_elsewhere(prog_id: u32) -> Option<Key> {
    let is_its = |key: &Key| privileged(|| pins::link_info(*key)).is_ok_and(|info| info.prog_id == prog_id);
    pins::all().into_iter().find(is_its)
}

/// Takes a program off that came with its interface, if nobody uses it there.
fn remove_stray(key: Key, name: &str) -> Result<(), Failure> {
    let failed = |error| Failure::internal("opening a lock file", error);
    let holders = Table::open(key).map_err(failed)?.holders().map_err(failed)?;
    let Some(pinned) = Pinned::open(key)? else { return Ok(()) };
    if holders.is_empty() && pinned.is_unoccupied()? {
        return pinned.remove(key);
    }
    Err(Failure::new(
        Code::Busy,
        name,
        format!("{name} has come from another network namespace with its leases"),
    )
    .hint("end them first: xsk-helper revoke, or close the sockets"))
}

fn foreign(name: &str, prog_id: u32, mode: Option<Mode>) -> Failure {
    let mode = mode.map_or("hardware", Mode::name);
    Failure::new(
        Code::ForeignProgram,
        name,
        format!("another XDP program is on {name}: id {prog_id}, in {mode} mode"),
    )
    .hint(format!("see what it is: bpftool prog show id {prog_id}; it is left alone"))
}

/// Another program was attached between our look and our attach.
pub(super) fn appeared(name: &str) -> Failure {
    Failure::new(Code::ForeignProgram, name, format!("another XDP program has just been attached to {name}"))
        .hint(format!("see what it is: bpftool net show dev {name}; it is left alone"))
}
