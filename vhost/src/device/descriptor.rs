// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptors for kick and call are the front end's own: it can fill them, and change their flags,
//! at any time. Which *kind* they are it cannot change, so that is looked at: a poll or a write may
//! wait for ever on a FUSE file.
#![forbid(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use super::Refusal;

/// Takes eventfds, pipes, and sockets (user-mode Linux has those), by the name that /proc gives
/// them; looking at it asks nobody.
pub(super) fn check_event(descriptor: &OwnedFd) -> Result<(), Refusal> {
    let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let name = rustix::fs::readlink(link, Vec::new()).map_err(|_| Refusal::Event)?;
    let name = name.to_bytes();
    let kinds = [&b"anon_inode:[eventfd]"[..], b"pipe:[", b"socket:["];
    let fits = kinds.iter().any(|kind| name.starts_with(kind));
    if fits { Ok(()) } else { Err(Refusal::Event) }
}

#[cfg(test)]
mod tests {
    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    #[test]
    fn eventfds_pipes_and_sockets_are_taken_and_nothing_else() {
        assert_eq!(check_event(&eventfd(0, EventfdFlags::CLOEXEC).unwrap()), Ok(()));
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert_eq!((check_event(&reader), check_event(&writer)), (Ok(()), Ok(())));
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(check_event(&socket.into()), Ok(()));
        let file: OwnedFd = std::fs::File::open("/proc/self/maps").unwrap().into();
        assert_eq!(check_event(&file), Err(Refusal::Event));
    }
}
