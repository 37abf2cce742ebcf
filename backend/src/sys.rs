// SPDX-License-Identifier: MIT OR Apache-2.0
//! The things that need `unsafe`: taking over descriptors that were inherited by number, the groups
//! of a connection's other side, and ending a thread's system call by a signal.
#![allow(unsafe_code)]

#[cfg(test)]
pub(crate) mod trial;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

/// Takes over inherited descriptors. To be called **once, before this process opens anything
/// itself**, so that none of the numbers can be one of its own.
///
/// # Errors
/// A number that stands twice, is that of a standard stream, or is not open.
pub(crate) fn adopt(numbers: &[RawFd]) -> Result<Vec<OwnedFd>, (RawFd, io::Error)> {
    let mut seen = BTreeSet::new();
    for number in numbers {
        if *number < 3 || !seen.insert(number) {
            let what = "it is a standard stream, or named twice; sock-fds are numbers from 3 on";
            return Err((*number, io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        // SAFETY: the borrow ends with this statement; if the number is not open, the call only
        // fails.
        let borrowed = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl_setfd(borrowed, FdFlags::CLOEXEC).map_err(|errno| (*number, errno.into()))?;
    }
    // SAFETY: each number is open, stands here once, and by the contract above belongs to nobody
    // else here.
    Ok(numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }).collect())
}

/// Whether the number is that of an open AF_UNIX socket for packets, as a lease's connection is.
pub(crate) fn is_connection(number: RawFd) -> bool {
    if number < 3 {
        return false;
    }
    // SAFETY: the borrow ends with this function; if the number is not open, the calls only fail.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    sockopt::socket_domain(borrowed) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(borrowed) == Ok(SocketType::SEQPACKET)
}

/// The supplementary groups that the other side had when it connected.
///
/// # Errors
/// No unix socket, or more groups than any process has.
pub(crate) fn peer_groups(socket: &std::os::unix::net::UnixStream) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 1024];
    let mut len = size_of_val(&groups[..]) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to the buffer, which has as many.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(len as usize / size_of::<u32>());
    Ok(groups)
}

/// The signal that ends a thread's system call and has no other effect.
const NUDGE: libc::c_int = libc::SIGUSR2;

/// Prepares [`interrupt`]. A handler that does nothing, without SA_RESTART: what waits then returns
/// EINTR.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn allow_interrupts() -> io::Result<()> {
    extern "C" fn nothing(_signal: libc::c_int) {}
    // SAFETY: all zeroes are a valid `struct sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: the action is initialised, and its handler does nothing.
    match unsafe { libc::sigaction(NUDGE, &action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends the system call in which a thread of this process waits, if it does.
pub(crate) fn interrupt(thread: i32) {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the call has no memory arguments; a thread that is gone is an error without effect.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, NUDGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_cannot_be_ours_are_refused() {
        assert_eq!(adopt(&[0]).unwrap_err().0, 0);
        assert_eq!(adopt(&[900_000]).unwrap_err().0, 900_000);
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let number = std::os::fd::IntoRawFd::into_raw_fd(near);
        assert_eq!(adopt(&[number, number]).unwrap_err().0, number);
        assert_eq!(adopt(&[number]).unwrap().len(), 1);
    }
}
