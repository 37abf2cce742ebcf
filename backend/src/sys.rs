// SPDX-License-Identifier: MIT OR Apache-2.0
//! The things that need `unsafe`: taking over descriptors that were inherited by number, the groups
//! of a connection's other side, and ending a thread's system call by a signal.
#![allow(unsafe_code)]

#[cfg(test)]
pub(crate) mod trial;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

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

/// Returns the index of the interface that a socket of **another** network namespace is pinned to.
/// `None` for a socket of this namespace, and where the kernel does not tell (before 5.14).
pub(crate) fn far_interface(socket: BorrowedFd<'_>) -> Option<u32> {
    let (here, _) = std::os::unix::net::UnixStream::pair().ok()?;
    let there: u64 = option(socket, libc::SO_NETNS_COOKIE).ok()?;
    let here: u64 = option(here.as_fd(), libc::SO_NETNS_COOKIE).ok()?;
    let ifindex: u32 = option(socket, SO_BINDTOIFINDEX).ok()?;
    (there != here && ifindex != 0).then_some(ifindex)
}

/// include/uapi/asm-generic/socket.h.
const SO_BINDTOIFINDEX: libc::c_int = 62;

/// An option of a socket that is a number.
fn option<T: Number>(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<T> {
    let mut value = T::default();
    let mut len = size_of::<T>() as libc::socklen_t;
    let at = (&raw mut value).cast();
    // SAFETY: the kernel writes at most `len` bytes to the value, any of which make a number.
    match unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, at, &mut len) } {
        0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A type of which any bytes are a value.
trait Number: Default {}
impl Number for u32 {}
impl Number for u64 {}

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
