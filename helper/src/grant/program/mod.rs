// SPDX-License-Identifier: MIT OR Apache-2.0
//! The XSK program on an interface: one of ours that is there is used again, residue is removed,
//! and anybody else's is left alone. All of it under the interface's lock.

mod attach;
mod foreign;
mod pinned;
mod refusal;
mod residue;
mod wanted;

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use xsk_bpf::Redirect;

use crate::bpf_call::{privileged, raised};
use crate::error::{Failure, KernelFault, ProgramFault};
use crate::failpoints::failpoint;
use crate::kernel::mode;
use crate::leases::pins::folder;
use crate::paths;
use pinned::Pinned;
use wanted::Fate;
pub(crate) use wanted::{Attachment, Installed, Wanted};

/// Finds or makes the program. `idle` tells whether nobody has a queue of the interface.
pub(crate) fn install(wanted: &Wanted<'_>, idle: bool) -> Result<Installed, Failure> {
    match existing(wanted, idle) {
        Ok(Some(installed)) => Ok(installed),
        missing => {
            check_bpffs()?;
            missing?;
            foreign::check(wanted.link)?;
            create(wanted)
        }
    }
}

/// What is pinned is on a bpffs, so this is only looked at if nothing was found.
fn check_bpffs() -> Result<(), Failure> {
    if xsk_bpf::is_bpffs(Path::new(paths::BPF)).unwrap_or(false) {
        return Ok(());
    }
    Err(ProgramFault::NoBpffs.into())
}

/// Returns the program that is pinned for this interface, if it is on it. Anything else that is
/// pinned is residue and is removed.
fn existing(wanted: &Wanted<'_>, idle: bool) -> Result<Option<Installed>, Failure> {
    let key = wanted.key;
    let Some(pinned) = Pinned::open(key)? else { return pinned::unpin(key).map(|()| None) };
    let prog_id = pinned.prog_id;
    let attached = wanted.link.xdp.iter().find(|program| program.prog_id == prog_id);
    let Some(mode) = attached.and_then(|program| mode(program.mode)) else {
        return pinned.remove(key).map(|()| None);
    };
    let unused = || Ok(idle && pinned.is_unoccupied()?);
    match wanted.fate(mode, pinned.frags, unused)? {
        Fate::Used => {
            let reason = format!("the program was attached in {mode} mode already");
            let attachment =
                Attachment { mode, reason, prog_id, frags: pinned.frags, fresh: false };
            Ok(Some((pinned.redirect, attachment)))
        }
        Fate::Goes => pinned.remove(key).map(|()| None),
        Fate::InTheWay => {
            Err(ProgramFault::Attached { name: wanted.link.name.clone(), mode }.into())
        }
    }
}

/// Loads, attaches in the first mode that works, and pins.
fn create(wanted: &Wanted<'_>) -> Result<Installed, Failure> {
    residue::sweep(wanted.key);
    let loaded = raised(|| Redirect::load(wanted.link.queues_allocated().max(1), wanted.frags))?
        .map_err(|error| explain_load(error, wanted.frags))?;
    failpoint!("loaded");
    let (redirect, mode, reason) = attach::attach(loaded, wanted)?;
    failpoint!("attached");
    let prog_id = privileged(|| redirect.link.info())?.prog_id;
    pin(&redirect, &folder(wanted.key))?;
    Ok((redirect, Attachment { mode, reason, prog_id, frags: wanted.frags, fresh: true }))
}

fn pin(redirect: &Redirect, dir: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new().mode(0o700).create(dir).map_err(|error| {
        Failure::sys_of("making a folder in bpffs", dir.display().to_string(), error)
    })?;
    failpoint!("folder");
    privileged(|| redirect.pin(dir)).inspect_err(|_| {
        // The link goes with `redirect`. A pin that cannot be removed is residue.
        let _ = Redirect::unpin(dir);
    })
}

/// Only the program for frames of several buffers asks for more than Linux 5.10.
fn explain_load(error: xsk_bpf::Error, frags: bool) -> Failure {
    match Failure::from(error) {
        failure if frags && failure.is_refused_load() => KernelFault::NoFrags.into(),
        failure => failure,
    }
}
