// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets over a `SOCK_SEQPACKET` connection, with descriptors beside them. No call waits past its
//! deadline.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg, socket_with, socketpair,
};

/// `SCM_MAX_FD` (include/net/scm.h): the most descriptors that a message can carry.
const MAX_DESCRIPTORS: usize = 253;

/// How often a full accept queue is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// What arrived in one packet.
#[derive(Debug)]
pub(crate) struct Packet {
    /// The bytes; none at all at the end of the connection.
    pub(crate) bytes: Vec<u8>,
    /// The descriptors, all of them close-on-exec, all of them closed when dropped.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether the kernel says that it could not deliver every descriptor.
    pub(crate) cut: bool,
}

/// Connects to the socket at `path`, trying again while its accept queue is full.
pub(crate) fn connect_to(path: &Path, deadline: Instant) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    loop {
        match connect(&socket, &address) {
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(RETRY),
            Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT),
            Err(Errno::INTR) => {}
            result => return result.map(|()| socket),
        }
    }
}

/// Both ends of a new connection.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends one packet.
pub(crate) fn send(fd: &OwnedFd, bytes: &[u8], deadline: Instant) -> Result<(), Errno> {
    loop {
        match rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => ready(fd.as_fd(), PollFlags::OUT, deadline)?,
            Err(Errno::INTR) => {}
            result => return result.map(|_| ()),
        }
    }
}

/// Receives one packet of at most `limit` bytes; a longer one is [`Errno::MSGSIZE`], its
/// descriptors closed.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    limit: usize,
    deadline: Instant,
) -> Result<Packet, Errno> {
    let mut bytes = vec![0; limit];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut reset = false;
    loop {
        ready(fd, PollFlags::IN, deadline)?;
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = match recvmsg(fd, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            // A peer that closes without having read everything resets the connection, and the
            // kernel reports that before what the peer had said. It reports it once: what was said
            // comes after it.
            Err(Errno::CONNRESET) if !reset => {
                reset = true;
                continue;
            }
            result => result?,
        };
        let descriptors = drain(&mut control);
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(Errno::MSGSIZE);
        }
        bytes.truncate(received.bytes);
        let cut = received.flags.contains(ReturnFlags::CTRUNC);
        return Ok(Packet { bytes, descriptors, cut });
    }
}

fn drain(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    descriptors
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
