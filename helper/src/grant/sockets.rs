// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets: made, pinned to the interface and set up for busy polling.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use caps::Capability::{CAP_NET_ADMIN, CAP_NET_RAW};

use super::options::Options;
use crate::error::{Failure, KernelFault};
use crate::sys::privilege;
use crate::sys::sockets::{self, BusyPollOption};

/// An ifindex that no interface has.
const NO_INTERFACE: u32 = i32::MAX as u32;

/// Makes a socket for each queue.
pub(crate) fn make(ifindex: u32, count: u32, options: &Options) -> Result<Vec<OwnedFd>, Failure> {
    privilege::with(&[CAP_NET_RAW, CAP_NET_ADMIN], || {
        (0..count).map(|_| make_one(ifindex, options)).collect::<Result<_, _>>()
    })
    .map_err(|error| Failure::sys("raising CAP_NET_RAW and CAP_NET_ADMIN", error))?
}

fn make_one(ifindex: u32, options: &Options) -> Result<OwnedFd, Failure> {
    let socket = sockets::xdp_socket().map_err(explain)?;
    sockets::bind_to_ifindex(socket.as_fd(), ifindex)
        .map_err(|error| Failure::sys("setting SO_BINDTOIFINDEX", error))?;
    if options.busy_poll > 0 {
        busy_poll(&socket, options).map_err(|error| KernelFault::NoBusyPolling(error.into()))?;
    }
    Ok(socket)
}

fn busy_poll(socket: &OwnedFd, options: &Options) -> io::Result<()> {
    sockets::set_busy_poll(socket.as_fd(), BusyPollOption::Prefer, 1)?;
    sockets::set_busy_poll(socket.as_fd(), BusyPollOption::Usecs, options.busy_poll)?;
    if options.busy_poll_budget == 0 {
        return Ok(());
    }
    sockets::set_busy_poll(socket.as_fd(), BusyPollOption::Budget, options.busy_poll_budget)
}

fn explain(error: io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => KernelFault::NoSockets.into(),
        _ => Failure::sys("creating an AF_XDP socket", error),
    }
}

/// Returns whether bind(2) honours SO_BINDTOIFINDEX. A kernel that does returns EINVAL for another
/// interface; one that does not looks that interface up and returns ENODEV. The bind fails either
/// way and changes nothing.
pub(crate) fn confined_to_device(socket: &OwnedFd) -> bool {
    sockets::bind_errno(socket.as_fd(), NO_INTERFACE, 0) == libc::EINVAL
}
