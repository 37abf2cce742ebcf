// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue whose last socket was just closed answers EBUSY to bind(2) for some 20 ms more, and QEMU does not
//! try twice. So the sockets are handed over when the queue is free by the kernel's own word: from netdev
//! netlink where it tells (Linux 6.15), by a bind that cannot succeed where the driver has no zero-copy mode,
//! and elsewhere after a pause that is long enough.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use caps::Capability::CAP_NET_RAW;
use xsk_netlink::Link;

use crate::error::{Failure, InterfaceFault, Taken};
use crate::netlink::Netdev;
use crate::sys::{privilege, sockets};

/// The kernel takes 16 to 36 ms, and under load, since it needs the lock of all network devices for it, up to a second;
/// more means that somebody is bound to stay. No lock of ours is held meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(2);
/// Where nothing tells.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until no socket is bound to any of the queues. `false` where nothing told, and a pause had to do.
pub(crate) fn wait(
    netdev: Option<&Netdev>,
    link: &Link,
    queues: std::ops::Range<u32>,
) -> Result<bool, Failure> {
    let deadline = Instant::now() + PATIENCE;
    for queue in queues {
        loop {
            match bound(netdev, link, queue)? {
                Some(false) => break,
                // One pause is long enough for all of them.
                None => {
                    sleep(PAUSE);
                    return Ok(false);
                }
                Some(true) if Instant::now() >= deadline => {
                    return Err(Taken::Bound { name: link.name.clone(), queue }.into());
                }
                Some(true) => sleep(STEP),
            }
        }
    }
    Ok(true)
}

/// Whether a socket is bound to the queue; `None` where that cannot be told without binding one.
fn bound(netdev: Option<&Netdev>, link: &Link, queue: u32) -> Result<Option<bool>, Failure> {
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENODEV) => InterfaceFault::Removed(link.name.clone()).into(),
        _ => Failure::sys("asking netdev netlink about the queue", error),
    };
    if let Some(told) = netdev.map_or(Ok(None), |netdev| netdev.bound(link.ifindex, queue)).map_err(failed)? {
        return Ok(Some(told));
    }
    let features = netdev.map(|netdev| netdev.features(link.ifindex)).transpose().map_err(failed)?;
    if link.may_zero_copy(features) {
        return Ok(None);
    }
    let errno = privilege::with(&[CAP_NET_RAW], || sockets::zero_copy_bind_errno(link.ifindex, queue))
        .map_err(|error| Failure::sys("raising CAP_NET_RAW", error))?
        .map_err(|error| Failure::sys("making a scratch socket", error))?;
    Ok(Some(errno == libc::EBUSY))
}
