// SPDX-License-Identifier: MIT OR Apache-2.0
//! For tests: a system call made in a process of its own, since it may be that process's end.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{check, privilege, process};

/// Forks, and has the child `prepare` itself, make this call with these arguments, and end with
/// status 0. The child shares the locks of a process with several threads: `prepare` must not
/// allocate.
pub(crate) fn call(prepare: impl FnOnce() -> bool, number: i64, arguments: [u64; 6]) -> WaitStatus {
    // SAFETY: the child makes system calls only, and ends without running anything of the parent's.
    let child = check(unsafe { libc::fork() }).unwrap_or_else(|error| panic!("fork: {error}"));
    if child == 0 {
        if privilege::set_not_dumpable().is_err() || !prepare() {
            process::exit_now(1);
        }
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: the callers pass no argument that is a valid address, so the kernel writes
        // nowhere.
        unsafe { libc::syscall(number, a, b, c, d, e, f) };
        process::exit_now(0);
    }
    waitpid(Pid::from_raw(child), None).unwrap_or_else(|error| panic!("waitpid: {error}"))
}
