// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kind of descriptor another process opened, and which sockets the kernel has.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use xsk_client::descriptors::{LOWEST, is_af_xdp};

use super::packet::stream_pair;

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
    // SAFETY: the borrow does not outlive this function; where the number is not open, the calls
    // fail with EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    match fcntl_getfd(fd) {
        Err(_) => Some(Misfit::Closed),
        Ok(flags) if flags.contains(FdFlags::CLOEXEC) => Some(Misfit::ClosedOnExec),
        Ok(_) if !is_af_xdp(&fd) => Some(Misfit::NotAfXdp),
        Ok(_) => None,
    }
}

/// Whether there are AF_XDP sockets. Without the capability that one takes the answer is EPERM,
/// where there are.
pub(crate) fn has_af_xdp() -> bool {
    let made = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None);
    !matches!(made, Err(Errno::AFNOSUPPORT))
}

/// Whether a connection tells who is at its other end by a pidfd (since Linux 6.5).
pub(crate) fn has_peer_pidfd() -> bool {
    let Ok((ours, _theirs)) = stream_pair() else { return false };
    let mut fd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `fd` and the new length to `length`; both
    // outlive the call.
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

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_client::descriptors::survive_exec;

    #[test]
    fn each_misfit_is_told_apart() {
        let (a, _b) = stream_pair().unwrap();
        assert_eq!(misfit(0), Some(Misfit::Stream));
        assert_eq!(misfit(900_000), Some(Misfit::Closed));
        assert_eq!(misfit(a.as_raw_fd()), Some(Misfit::ClosedOnExec));
        assert_eq!(misfit(survive_exec(a).unwrap()), Some(Misfit::NotAfXdp));
    }
}
