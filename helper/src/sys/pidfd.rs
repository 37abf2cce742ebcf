// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes by descriptor, which names the same process even after its number is reused.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub(crate) use libc::rlimit64 as Limits;
use nix::sys::signal::Signal;

use super::check;

/// Opens a process.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) } as libc::c_int)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal.
pub(crate) fn signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    let (fd, number) = (process.as_raw_fd(), signal as libc::c_int);
    // SAFETY: no siginfo is given, as the call allows.
    let ret = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, none, 0u32) };
    check(ret as libc::c_int).map(drop)
}

/// SO_PEERPIDFD (include/uapi/asm-generic/socket.h), younger than the C library's headers.
const SO_PEERPIDFD: libc::c_int = 77;

/// The process at the other end of a connection; `None` before Linux 6.5.
pub(crate) fn of_peer(connection: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let mut fd: libc::c_int = -1;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    let pointer: *mut libc::c_int = &mut fd;
    let (socket, level) = (connection.as_raw_fd(), libc::SOL_SOCKET);
    // SAFETY: `fd` and `len` outlive the call, and `len` is the size of `fd`.
    match check(unsafe { libc::getsockopt(socket, level, SO_PEERPIDFD, pointer.cast(), &mut len) })
    {
        // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
        Ok(_) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether the process runs: then its number is still its own.
pub(crate) fn alive(process: &OwnedFd) -> bool {
    let mut set = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    unsafe { libc::poll(&mut set, 1, 0) == 0 }
}

/// Sets the memlock limits of a process, if there are new ones; returns those that it had. Wants
/// CAP_SYS_RESOURCE for another user's process, and for more than its hard limit.
pub(crate) fn memlock(pid: u32, new: Option<Limits>) -> io::Result<Limits> {
    let mut old = Limits { rlim_cur: 0, rlim_max: 0 };
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `old` and `new`, if it is given, outlive the call.
    check(unsafe { libc::prlimit64(pid as libc::pid_t, libc::RLIMIT_MEMLOCK, new, &mut old) })?;
    Ok(old)
}
