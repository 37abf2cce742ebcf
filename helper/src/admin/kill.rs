// SPDX-License-Identifier: MIT OR Apache-2.0
//! `revoke --kill`: ends the processes that still hold the sockets of a revoked lease, since they
//! can send until the sockets are closed. A user can plant a socket in any process that takes
//! descriptors, so only processes whose three uids are the lease's are signalled. Others are named
//! and left alone.
#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::holders::{self, Holder};
use crate::error::Failure;
use crate::revoke::command_line;
use crate::sys::pidfd;

/// How long a process may take after each signal.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(5);

/// A socket of a revoked lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) uid: u32,
    pub(super) inode: u64,
    pub(super) queue: u32,
    pub(super) ifname: String,
}

impl Target {
    /// As one line, for the process that is still root.
    pub(super) fn line(&self) -> String {
        format!("{} {} {} {}\n", self.uid, self.inode, self.queue, self.ifname)
    }

    /// Reads that line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (uid, inode) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (queue, ifname) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        Some(Self { uid, inode, queue, ifname })
    }
}

/// Ends the processes of the leases' own users, and says what it did. Returns whether every socket
/// is let go of by all processes that were found.
pub(super) fn end(targets: &[Target]) -> Result<bool, Failure> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let told = signal_own(targets, signal)?;
        if told == 0 {
            break;
        }
        let end = Instant::now() + PATIENCE;
        while holders(targets)?.iter().any(|holder| is_own(holder, targets)) && Instant::now() < end
        {
            sleep(STEP);
        }
    }
    let left = holders(targets)?;
    for holder in &left {
        println!("{}", left_alone(holder, targets));
    }
    Ok(left.is_empty())
}

fn holders(targets: &[Target]) -> Result<Vec<Holder>, Failure> {
    let inodes: Vec<u64> = targets.iter().map(|target| target.inode).collect();
    holders::of(&inodes).map_err(|error| Failure::sys("reading /proc", error))
}

/// Whether it is a process of a user whose socket it holds, and of no other user in any way.
fn is_own(holder: &Holder, targets: &[Target]) -> bool {
    held_by(holder, targets).any(|target| holder.uids == [target.uid; 3])
}

fn held_by<'t>(holder: &'t Holder, targets: &'t [Target]) -> impl Iterator<Item = &'t Target> {
    targets.iter().filter(|target| holder.sockets.contains(&target.inode))
}

/// Signals those that hold a socket now. Returns how many there were.
fn signal_own(targets: &[Target], signal: Signal) -> Result<usize, Failure> {
    let mut told = 0;
    for holder in holders(targets)?.iter().filter(|holder| is_own(holder, targets)) {
        let word = if signal == Signal::SIGTERM { "told" } else { "killed" };
        println!(
            "{word} process {}, which holds {}",
            command_line::of(holder.pid),
            names(holder, targets)
        );
        // One that is gone by now is no error.
        let _ = pidfd::signal(&holder.process, signal);
        told += 1;
    }
    Ok(told)
}

fn left_alone(holder: &Holder, targets: &[Target]) -> String {
    let (process, sockets) = (command_line::of(holder.pid), names(holder, targets));
    if is_own(holder, targets) {
        return format!("process {process} was killed and has not ended; it holds {sockets}");
    }
    let [real, effective, saved] = holder.uids;
    let uids = if real == effective && real == saved {
        format!("uid {real}")
    } else {
        format!("uids {real}, {effective}, {saved}")
    };
    format!("process {process} of {uids} holds {sockets} and was left alone")
}

fn names(holder: &Holder, targets: &[Target]) -> String {
    let each = held_by(holder, targets)
        .map(|target| format!("queue {} of {}", target.queue, target.ifname));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uid: u32, inode: u64) -> Target {
        Target { uid, inode, queue: 3, ifname: "eth1".into() }
    }

    fn holder(uids: [u32; 3], sockets: &[u64]) -> Holder {
        let process = std::fs::File::open("/dev/null").unwrap().into();
        Holder { pid: 1, process, uids, sockets: sockets.to_vec() }
    }

    #[test]
    fn a_process_is_ended_only_if_all_of_it_is_the_leases_user() {
        let targets = [target(1000, 7), target(1001, 8)];
        for (uids, sockets, own) in [
            ([1000; 3], &[7][..], true),
            ([1000; 3], &[8], false),
            ([1000; 3], &[7, 8], true),
            ([1000, 0, 0], &[7], false),
            ([1000, 1000, 0], &[7], false),
            ([0, 1000, 1000], &[7], false),
            ([0; 3], &[7], false),
            ([1000; 3], &[9], false),
        ] {
            assert_eq!(is_own(&holder(uids, sockets), &targets), own, "{uids:?} {sockets:?}");
        }
    }

    #[test]
    fn a_target_is_read_as_it_was_written() {
        let target = target(1000, 1 << 40);
        assert_eq!(Target::parse(target.line().trim_end()), Some(target));
        assert_eq!(Target::parse("1000 x 3 eth1"), None);
        assert_eq!(Target::parse("1000 7 3"), None);
    }
}
