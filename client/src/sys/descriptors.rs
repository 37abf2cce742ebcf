// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a descriptor is, where it stands in the table, and whether it survives an exec.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

/// The lowest number that is handed to a program: 0 to 2 are its streams, and 0 means "none" to libxdp 1.5.
const LOWEST: i32 = 3;

/// Whether `fd` is an AF_XDP socket.
pub(crate) fn is_af_xdp(fd: &impl AsFd) -> bool {
    sockopt::socket_domain(fd).is_ok_and(|family| family == AddressFamily::XDP)
}

/// Why a descriptor that the caller gave us is no socket for QEMU.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It is one of the three streams.
    Stream,
    /// There is no such descriptor.
    Closed,
    /// It does not survive an exec.
    ClosedOnExec,
    /// It is something else.
    NotAfXdp,
}

/// Looks at the descriptor `number`, which need not exist.
pub(crate) fn misfit(number: RawFd) -> Option<Misfit> {
    if number < LOWEST {
        return Some(Misfit::Stream);
    }
    // SAFETY: the borrow does not outlive this function; where the number is not open, the calls fail with EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    match fcntl_getfd(fd) {
        Err(_) => Some(Misfit::Closed),
        Ok(flags) if flags.contains(FdFlags::CLOEXEC) => Some(Misfit::ClosedOnExec),
        Ok(_) if !is_af_xdp(&fd) => Some(Misfit::NotAfXdp),
        Ok(_) => None,
    }
}

/// The same descriptor, numbered 3 or more.
pub(crate) fn above_streams(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() >= LOWEST { Ok(fd) } else { fcntl_dupfd_cloexec(&fd, LOWEST) }
}

/// Lets `fd` survive an exec.
pub(crate) fn inherit(fd: &impl AsFd) -> Result<(), Errno> {
    fcntl_setfd(fd, FdFlags::empty())
}

/// Leaves `fd` open for the program that this process becomes.
pub(crate) fn keep_open(fd: OwnedFd) {
    let _ = fd.into_raw_fd();
}

/// How many descriptors this process may have open, for a message.
pub(crate) fn table_size() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or_else(|| "any number".to_owned(), |limit| limit.to_string())
}

/// Whether there are AF_XDP sockets. Without the capability that one takes the answer is EPERM, where there are.
pub(crate) fn has_af_xdp() -> bool {
    let made = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None);
    !matches!(made, Err(Errno::AFNOSUPPORT))
}

/// Whether a connection tells who is at its other end by a pidfd (since Linux 6.5).
pub(crate) fn has_peer_pidfd() -> bool {
    let Ok((ours, _theirs)) = super::packet::pair() else { return false };
    let mut fd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `fd` and the new length to `length`; both outlive the
    // call.
    let result = unsafe {
        libc::getsockopt(
            ours.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &raw mut length,
        )
    };
    if result == 0 && fd >= 0 {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    result == 0
}

/// The cookie of our own network namespace; `None` where the kernel has none (before 5.14).
pub(crate) fn netns_cookie() -> Option<u64> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
    let mut cookie: u64 = 0;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `cookie` and the new length to `length`; both outlive
    // the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (result == 0 && length as usize == size_of::<u64>()).then_some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_no_af_xdp_socket() {
        let (a, _b) = crate::sys::packet::pair().unwrap();
        assert!(!is_af_xdp(&a));
    }

    #[test]
    fn each_misfit_is_told_apart() {
        let (a, _b) = crate::sys::packet::pair().unwrap();
        assert_eq!(misfit(0), Some(Misfit::Stream));
        assert_eq!(misfit(900_000), Some(Misfit::Closed));
        assert_eq!(misfit(a.as_raw_fd()), Some(Misfit::ClosedOnExec));
        inherit(&a).unwrap();
        assert_eq!(misfit(a.as_raw_fd()), Some(Misfit::NotAfXdp));
    }

    #[test]
    fn the_cookie_does_not_change() {
        assert_eq!(netns_cookie(), netns_cookie());
    }
}
