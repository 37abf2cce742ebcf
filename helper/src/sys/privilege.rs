// SPDX-License-Identifier: MIT OR Apache-2.0
//! The prctl(2) calls around capabilities, and a scope in which some are in effect.

use std::io;

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

use super::check;

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: a plain system call; none of the options used here takes a pointer.
    check(unsafe { libc::prctl(option, argument, 0, 0, 0) })
}

/// Keeps the permitted set across the change to a uid other than 0.
pub(crate) fn keep_across_setuid() -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1).map(drop)
}

/// No exec gives a privilege from here on.
pub(crate) fn set_no_new_privs() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

/// Returns whether no exec gives a privilege.
pub(crate) fn no_new_privs() -> bool {
    prctl(libc::PR_GET_NO_NEW_PRIVS, 0).is_ok_and(|set| set == 1)
}

/// No core, no ptrace, no /proc/PID/mem by the same user.
pub(crate) fn set_not_dumpable() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0).map(drop)
}

/// Returns whether a core can be written.
pub(crate) fn dumpable() -> bool {
    prctl(libc::PR_GET_DUMPABLE, 0).map_or(true, |set| set != 0)
}

/// Runs `work` with `wanted` in effect, and with nothing in effect after it.
///
/// # Errors
/// The capability that is not permitted, as an error of permission; then `work` is not run.
pub(crate) fn with<T>(wanted: &[Capability], work: impl FnOnce() -> T) -> Result<T, CapsError> {
    let set: CapsHashSet = wanted.iter().copied().collect();
    caps::set(None, CapSet::Effective, &set)?;
    let result = work();
    lower();
    Ok(result)
}

/// Lowers all capabilities. capset(2) can fail for lack of memory after the work is done, and the
/// caller has to learn its result; so this tries again, and ends the process if it cannot lower
/// them.
fn lower() {
    let lowered = (0..3).any(|_| caps::clear(None, CapSet::Effective).is_ok());
    if !lowered {
        super::process::exit_now(71);
    }
}
