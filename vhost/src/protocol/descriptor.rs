// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptors are the front end's own: it can fill them, and change their flags, at any time. It
//! cannot change their *kind*, so the kind is checked before anything else is done with one. A FUSE
//! file can hold up a thread that polls, writes, maps or merely closes it, for as long as its
//! server likes. A TCP socket can hold up the thread that closes it last (SO_LINGER).
#![forbid(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{fcntl_get_seals, readlink};
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

/// A descriptor that came with a message, by what can be done with it.
#[derive(Debug)]
pub enum Descriptor {
    /// A memfd, or a file on tmpfs or hugetlbfs: to be mapped.
    Memory(OwnedFd),
    /// An eventfd, a pipe, or a unix socket: to be polled or written to. A write may wait all the
    /// same.
    Event(OwnedFd),
    /// Anything else. It has gone to be closed elsewhere.
    Foreign,
}

impl Descriptor {
    /// Finds out what kind of descriptor it is, asking only the kernel.
    ///
    /// # Errors
    /// It could hold up a thread that closes it.
    pub fn of(descriptor: OwnedFd) -> Result<Self, OwnedFd> {
        if is_event(&descriptor) {
            Ok(Self::Event(descriptor))
        } else if fcntl_get_seals(&descriptor).is_ok() {
            // Only shmem and hugetlbfs have seals (`memfd_file_seals_ptr` in mm/memfd.c).
            Ok(Self::Memory(descriptor))
        } else {
            Err(descriptor)
        }
    }
}

/// By the name that /proc gives it: a path begins with a slash, and no program can choose another
/// beginning.
fn is_event(descriptor: &OwnedFd) -> bool {
    let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let Ok(name) = readlink(link, Vec::new()) else { return false };
    let name = name.to_bytes();
    let is_unix = || socket_domain(descriptor) == Ok(AddressFamily::UNIX);
    name == b"anon_inode:[eventfd]"
        || name.starts_with(b"pipe:[")
        || (name.starts_with(b"socket:[") && is_unix())
}

#[cfg(test)]
mod tests {
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn is(descriptor: impl Into<OwnedFd>) -> &'static str {
        match Descriptor::of(descriptor.into()) {
            Ok(Descriptor::Memory(_)) => "memory",
            Ok(Descriptor::Event(_)) => "event",
            Ok(Descriptor::Foreign) | Err(_) => "foreign",
        }
    }

    #[test]
    fn the_kind_is_the_kernels_word() {
        assert_eq!(is(eventfd(0, EventfdFlags::CLOEXEC).unwrap()), "event");
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert_eq!((is(reader), is(writer)), ("event", "event"));
        assert_eq!(is(std::os::unix::net::UnixStream::pair().unwrap().0), "event");
        // A name that looks like another kind.
        assert_eq!(is(memfd_create("pipe:[1]", MemfdFlags::CLOEXEC).unwrap()), "memory");
        assert_eq!(is(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()), "foreign");
        assert_eq!(is(std::fs::File::open("/proc/self/maps").unwrap()), "foreign");
        assert_eq!(
            is(rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap()),
            "foreign"
        );
    }
}
