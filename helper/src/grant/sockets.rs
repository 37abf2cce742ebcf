// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets themselves: made, pinned to the interface, set up for busy polling, and put into the map.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use caps::Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW};
use xsk_bpf::XskMap;
use xsk_proto::Code;

use super::options::Options;
use crate::error::Failure;
use crate::sys::privilege;
use crate::sys::sockets::{self, BusyPollOption};

/// An ifindex that no interface has.
const NO_INTERFACE: u32 = i32::MAX as u32;

/// Makes a socket for each queue.
pub(crate) fn make(ifindex: u32, count: u32, options: &Options) -> Result<Vec<OwnedFd>, Failure> {
    privilege::with(&[CAP_NET_RAW, CAP_NET_ADMIN], || {
        (0..count).map(|_| make_one(ifindex, options)).collect::<Result<_, _>>()
    })
    .map_err(|error| Failure::internal("raising CAP_NET_RAW and CAP_NET_ADMIN", error))?
}

fn make_one(ifindex: u32, options: &Options) -> Result<OwnedFd, Failure> {
    let socket = sockets::xdp_socket().map_err(|error| explain(&error))?;
    sockets::bind_to_ifindex(socket.as_fd(), ifindex)
        .map_err(|error| Failure::internal("setting SO_BINDTOIFINDEX", error))?;
    if options.busy_poll > 0 {
        busy_poll(&socket, options).map_err(|error| {
            Failure::new(Code::KernelTooOld, "busy-poll", format!("the kernel refuses busy polling: {error}"))
                .hint("it needs Linux 5.11 or later; leave --busy-poll out")
        })?;
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

fn explain(error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => {
            Failure::new(Code::KernelTooOld, "kernel", "the kernel has no AF_XDP sockets")
                .hint("it needs CONFIG_XDP_SOCKETS")
        }
        _ => Failure::internal("creating an AF_XDP socket", error),
    }
}

/// Whether bind(2) honours the pin to the interface: a kernel that does says EINVAL of another interface,
/// one that does not goes on to look for it and says ENODEV. The bind fails either way and changes nothing.
pub(crate) fn confined_to_device(socket: &OwnedFd) -> bool {
    sockets::bind_errno(socket.as_fd(), NO_INTERFACE, 0) == libc::EINVAL
}

/// Puts a socket into the slot of its queue, which has to be empty. `false` where the kernel wants the socket's RX ring
/// first ([`super::deferred_insert`]).
pub(crate) fn insert(map: &XskMap, queue: u32, socket: &OwnedFd, ifname: &str) -> Result<bool, Failure> {
    let inserted = privilege::with(&[CAP_BPF, CAP_NET_ADMIN], || map.insert(queue, socket.as_fd()))
        .map_err(|error| Failure::internal("raising CAP_BPF and CAP_NET_ADMIN", error))?;
    match inserted {
        Ok(()) => Ok(true),
        Err(error) => match error.errno {
            libc::ENOBUFS => Ok(false),
            libc::EEXIST => Err(occupied(queue, ifname)),
            libc::EOPNOTSUPP => Err(Failure::too_old("takes no socket into an XSKMAP before it is bound")),
            libc::E2BIG => Err(beyond(queue, ifname)),
            _ => Err(super::program::explain(&error)),
        },
    }
}

/// Somebody's socket is in the slot.
pub(super) fn occupied(queue: u32, ifname: &str) -> Failure {
    let message = format!("queue {queue} of {ifname} is occupied by a socket that no lease accounts for");
    Failure::new(Code::Busy, ifname, message)
        .hint("it is free as soon as whoever has that socket closes it (xsk-client status)")
}

fn beyond(queue: u32, ifname: &str) -> Failure {
    let message =
        format!("{ifname} got more queues after the program was loaded; queue {queue} is beyond its map");
    Failure::new(Code::QueueRange, ifname, message)
        .hint("end the other leases of the interface first, so that the program is loaded anew")
}
