// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes by descriptor, which stays the same process whatever becomes of its number.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;

/// Opens a process.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) } as libc::c_int)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends SIGTERM.
pub(crate) fn terminate(process: &OwnedFd) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: no siginfo is given, as the call allows.
    let ret =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), libc::SIGTERM, none, 0u32) };
    check(ret as libc::c_int).map(drop)
}
