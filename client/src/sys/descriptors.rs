// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a descriptor is, where it stands in the table, and whether it survives an exec.

use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

/// The lowest number that is handed to a program: 0 to 2 are its streams, and 0 means "none" to
/// libxdp 1.5.
pub const LOWEST: RawFd = 3;

/// Whether `fd` is an AF_XDP socket.
pub fn is_af_xdp(fd: &impl AsFd) -> bool {
    sockopt::socket_domain(fd).is_ok_and(|family| family == AddressFamily::XDP)
}

/// The same descriptor, numbered 3 or more.
///
/// # Errors
/// What fcntl(2) says.
pub fn above_streams(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() >= LOWEST { Ok(fd) } else { fcntl_dupfd_cloexec(&fd, LOWEST) }
}

/// The same descriptor under the lowest free number from 3 on, if that is lower than its own. Where
/// several are lowered one after the other no hole stays between them.
///
/// # Errors
/// What fcntl(2) says.
pub fn lowered(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    let lower = fcntl_dupfd_cloexec(&fd, LOWEST)?;
    Ok(if lower.as_raw_fd() < fd.as_raw_fd() { lower } else { fd })
}

/// Lets `fd` survive an exec, open for the program that this process becomes; returns its number.
///
/// # Errors
/// What fcntl(2) says.
pub fn survive_exec(fd: OwnedFd) -> Result<RawFd, Errno> {
    fcntl_setfd(&fd, FdFlags::empty())?;
    Ok(fd.into_raw_fd())
}

/// How many descriptors this process may have open, for a message.
pub(crate) fn table_size() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or_else(|| "any number".to_owned(), |limit| limit.to_string())
}

/// The cookie of our own network namespace; `None` where the kernel has none (before 5.14).
pub fn netns_cookie() -> Option<u64> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
    let mut cookie: u64 = 0;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `cookie` and the new length to `length`;
    // both outlive the call.
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
    fn the_cookie_does_not_change() {
        assert_eq!(netns_cookie(), netns_cookie());
    }
}
