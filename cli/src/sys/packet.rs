// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes over a connection, with descriptors beside them, and waits that end.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};

/// Both ends of a new byte stream.
pub(crate) fn stream_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Both ends of a new pipe: the one to read first.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    pipe_with(PipeFlags::CLOEXEC)
}

/// Waits for a byte on a pipe; false where its other end was closed without one.
pub(crate) fn is_told(pipe: &OwnedFd, deadline: Instant) -> bool {
    ready(pipe.as_fd(), PollFlags::IN, deadline).is_ok()
        && rustix::io::read(pipe, &mut [0; 1]) == Ok(1)
}

/// Sends `bytes`, and a copy of one descriptor beside them; says how many bytes went.
pub(crate) fn send_with(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    passed: Option<BorrowedFd<'_>>,
    deadline: Instant,
) -> Result<usize, Errno> {
    let slice: Vec<BorrowedFd<'_>> = passed.into_iter().collect();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !slice.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&slice)) {
            return Err(Errno::NOBUFS);
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(fd, &[IoSlice::new(bytes)], &mut control, flags) {
            Err(Errno::AGAIN) => ready(fd, PollFlags::OUT, deadline)?,
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Waits until `fd` is ready for `flags`, or has hung up.
pub(crate) fn ready(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Instant) -> Result<(), Errno> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout)) {
            Ok(0) if Instant::now() >= deadline => return Err(Errno::TIMEDOUT),
            Ok(0) | Err(Errno::INTR) => {}
            result => return result.map(|_| ()),
        }
    }
}
