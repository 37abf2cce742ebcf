// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs on the interface that are not pinned for it. One that no pin accounts for is somebody
//! else's and is left alone; one that a pin under another key accounts for came with the interface
//! from another network namespace.

use xsk_netlink::Link;

use super::pinned::Pinned;
use crate::bpf_call::privileged;
use crate::error::{Failure, ProgramFault};
use crate::kernel::mode;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::leases::table::Table;

/// Refuses another's program, and removes a stray one of ours that nobody uses.
pub(super) fn check(link: &Link) -> Result<(), Failure> {
    for program in &link.xdp {
        match pinned_elsewhere(program.prog_id) {
            Some(key) => remove_stray(key, &link.name)?,
            None => {
                let (prog_id, mode) = (program.prog_id, mode(program.mode));
                return Err(ProgramFault::Foreign { name: link.name.clone(), prog_id, mode }.into());
            }
        }
    }
    Ok(())
}

fn pinned_elsewhere(prog_id: u32) -> Option<Key> {
    let is_its =
        |key: &Key| privileged(|| pins::link_info(*key)).is_ok_and(|info| info.prog_id == prog_id);
    pins::all().into_iter().find(is_its)
}

/// Takes a program off that came with its interface, if nobody uses it there.
fn remove_stray(key: Key, name: &str) -> Result<(), Failure> {
    let failed = |error| Failure::sys("opening a lock file", error);
    let holders = Table::open(key).map_err(failed)?.holders().map_err(failed)?;
    let Some(pinned) = Pinned::open(key)? else { return Ok(()) };
    if holders.is_empty() && pinned.is_unoccupied()? {
        return pinned.remove(key);
    }
    Err(ProgramFault::CameWithLeases { name: name.to_owned() }.into())
}
