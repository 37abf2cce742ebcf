// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue whose last socket was just closed answers EBUSY to bind(2) for some 20 ms more, and QEMU
//! does not try twice. So the sockets are handed over only when the kernel says that the queue is
//! free: by netdev netlink (Linux 6.15), or by a bind that cannot succeed if the driver has no
//! zero-copy mode, and otherwise after a pause that is long enough.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use caps::Capability::CAP_NET_RAW;
use xsk_netlink::Link;

use crate::error::{Failure, InterfaceFault, Taken};
use crate::netlink::Netdev;
use crate::sys::{privilege, sockets};

/// The kernel takes 16 to 36 ms, and under load, since it needs the lock of all network devices for
/// it, up to a second; if it takes longer, a socket is bound to stay. No lock is held meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(2);
/// The pause if nothing tells.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a socket is bound to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Yes,
    No,
    /// That cannot be told without binding one.
    Unknown,
}

impl From<bool> for Bound {
    fn from(bound: bool) -> Self {
        if bound { Bound::Yes } else { Bound::No }
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// Every queue is free by the kernel's word.
    Told,
    /// Nothing told, and a pause had to do.
    Untold,
    /// A socket stayed.
    InVain { queue: u32 },
}

/// Waits until no socket is bound to any of the queues. Returns false if nothing told, and a pause
/// had to do.
pub(crate) fn wait(
    netdev: Option<&Netdev>,
    link: &Link,
    queues: std::ops::Range<u32>,
) -> Result<bool, Failure> {
    match wait_for(queues, PATIENCE, |queue| bound(netdev, link, queue))? {
        Waited::Told => Ok(true),
        Waited::Untold => Ok(false),
        Waited::InVain { queue } => Err(Taken::Bound { name: link.name.clone(), queue }.into()),
    }
}

/// Asks for each queue until it is free, or the time is up.
fn wait_for(
    queues: std::ops::Range<u32>,
    patience: Duration,
    bound: impl Fn(u32) -> Result<Bound, Failure>,
) -> Result<Waited, Failure> {
    let deadline = Instant::now() + patience;
    for queue in queues {
        loop {
            match bound(queue)? {
                Bound::No => break,
                // One pause is long enough for all of them.
                Bound::Unknown => {
                    sleep(PAUSE);
                    return Ok(Waited::Untold);
                }
                Bound::Yes if Instant::now() >= deadline => return Ok(Waited::InVain { queue }),
                Bound::Yes => sleep(STEP),
            }
        }
    }
    Ok(Waited::Told)
}

fn bound(netdev: Option<&Netdev>, link: &Link, queue: u32) -> Result<Bound, Failure> {
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(libc::ENODEV) => InterfaceFault::Removed(link.name.clone()).into(),
        _ => Failure::sys("asking netdev netlink about the queue", error),
    };
    if let Some(told) =
        netdev.map_or(Ok(None), |netdev| netdev.bound(link.ifindex, queue)).map_err(failed)?
    {
        return Ok(told.into());
    }
    let features =
        netdev.map(|netdev| netdev.features(link.ifindex)).transpose().map_err(failed)?;
    if link.may_zero_copy(features) {
        return Ok(Bound::Unknown);
    }
    let errno =
        privilege::with(&[CAP_NET_RAW], || sockets::zero_copy_bind_errno(link.ifindex, queue))
            .map_err(|error| Failure::sys("raising CAP_NET_RAW", error))?
            .map_err(|error| Failure::sys("making a scratch socket", error))?;
    Ok((errno == libc::EBUSY).into())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn waited(answers: &[Bound]) -> Waited {
        let answers = RefCell::new(answers.iter().copied());
        let bound = |_| Ok(answers.borrow_mut().next().unwrap_or(Bound::Yes));
        wait_for(4..6, Duration::from_millis(20), bound).unwrap()
    }

    #[test]
    fn every_queue_has_to_be_free() {
        assert_eq!(waited(&[Bound::Yes, Bound::No, Bound::Yes, Bound::No]), Waited::Told);
        assert_eq!(waited(&[Bound::No]), Waited::InVain { queue: 5 });
        assert_eq!(waited(&[]), Waited::InVain { queue: 4 });
        assert_eq!(waited(&[Bound::No, Bound::Unknown]), Waited::Untold);
    }
}
