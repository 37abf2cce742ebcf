// SPDX-License-Identifier: MIT OR Apache-2.0
//! A consumer of AF_XDP sockets inside the test itself, as small as one can be.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use xsk_socket::{BindOptions, Bound, Config, Error, Unbound};

use super::{packet, sys};

/// UMEM and rings of 64 frames, and a bind without waiting for a busy queue.
///
/// # Errors
/// Those of bind(2), in the words of `xsk-socket`.
pub fn bind(socket: OwnedFd, ifindex: u32, queue: u32) -> Result<Bound, Error> {
    bind_within(socket, ifindex, queue, Duration::ZERO)
}

/// As [`bind`], and waits for a busy queue.
///
/// # Errors
/// As [`bind`].
pub fn bind_within(
    socket: OwnedFd,
    ifindex: u32,
    queue: u32,
    wait: Duration,
) -> Result<Bound, Error> {
    let ready = Unbound::adopt(socket)?
        .prepare(&Config::default().frames(64).min_frames(64).frame_size(2048))?;
    Ok(ready.bind(ifindex, queue, &BindOptions::default().busy_wait(wait))?)
}

/// Whether a frame made by [`packet::frame`] with this text arrives.
pub fn receives(bound: &mut Bound, text: &str, within: Duration) -> bool {
    let end = Instant::now() + within;
    while Instant::now() < end {
        let _ = bound.wait(Some(Duration::from_millis(10))).unwrap();
        if bound.recv(64).iter().any(|frame| packet::carries(frame, text)) {
            return true;
        }
    }
    false
}

/// Sends a frame made by [`packet::frame`].
pub fn sends(bound: &mut Bound, text: &str) {
    bound.send(&packet::frame(text)).unwrap();
    bound.flush().unwrap();
}

/// The errno of a bare bind(2), 0 for none: without rings none ever succeeds, so what a guard
/// refuses can be told from what the kernel does. With `umem`, that of XDP_SHARED_UMEM with this
/// socket.
pub fn bind_errno(socket: &OwnedFd, ifindex: u32, queue: u32, umem: Option<&OwnedFd>) -> i32 {
    sys::bind_xdp(socket.as_fd(), ifindex, queue, umem.map(AsFd::as_fd))
}

/// Pins a socket to an interface, or unpins it with an empty name.
///
/// # Errors
/// Those of setsockopt(2) with SO_BINDTODEVICE.
pub fn pin_by_name(socket: &OwnedFd, ifname: &str) -> io::Result<()> {
    sys::bind_to_device(socket.as_fd(), ifname)
}

/// Pins a socket to an interface, or unpins it with 0.
///
/// # Errors
/// Those of setsockopt(2) with SO_BINDTOIFINDEX.
pub fn pin_by_index(socket: &OwnedFd, ifindex: u32) -> io::Result<()> {
    sys::bind_to_ifindex(socket.as_fd(), ifindex)
}
