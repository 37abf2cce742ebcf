// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said of a lease: to the client, and in the text for people.

use std::os::fd::OwnedFd;

use nix::sys::stat::fstat;
use xsk_proto::{BusyPoll, Confinement, Granted, Memlock, Verdict, Warning};

use super::device::Device;
use super::lease::Lease;
use super::options::Options;
use super::program::Attachment;
use super::request::Request;
use super::{confinement, filter};
use crate::caller::Caller;
use crate::kernel::mode;
use crate::leases::record::Record;
use crate::policy::{Allowed, Rule};
use crate::sys::clock::boot_time;

/// Describes the lease to its client, before anything is known of its locked memory.
pub(super) fn granted(
    request: &Request,
    allowed: &Allowed<'_>,
    device: &Device<'_>,
    attachment: Attachment,
    lease: &Lease,
    confinement: Confinement,
) -> Granted {
    let Options { promisc, busy_poll, busy_poll_budget, .. } = request.options;
    Granted {
        lease: lease.number,
        ifname: device.link.name.clone(),
        ifindex: device.link.ifindex,
        mac: device.link.mac,
        mtu: device.link.mtu,
        first_queue: request.acquire.first_queue,
        queues: request.acquire.queues,
        mode: attachment.mode,
        mode_reason: attachment.reason,
        program_id: attachment.prog_id,
        netns_cookie: lease.key.netns.cookie(),
        confinement,
        frags: attachment.frags,
        promisc,
        filter: filter::holds(device, &request.options),
        busy_poll: BusyPoll { usecs: busy_poll, budget: busy_poll_budget },
        memlock: Memlock::default(),
        rule: allowed.rule.label.clone(),
        keeper: std::process::id(),
        warnings: warnings(device, confinement),
    }
}

fn warnings(device: &Device<'_>, confinement: Confinement) -> Vec<Warning> {
    let mut warnings = device.warnings();
    warnings.extend(confinement::warning(confinement, &device.link.name));
    warnings
}

/// Describes what would be granted.
pub(super) fn verdict(rule: &Rule, device: &Device<'_>, confinement: Confinement) -> Verdict {
    Verdict {
        rule: rule.label.clone(),
        mode: device.link.xdp.first().and_then(|attached| mode(attached.mode)),
        confinement,
        promisc: rule.promisc,
        allmulti: rule.allmulti,
        busy_poll: rule.busy_poll,
        memlock_max: rule.memlock,
    }
}

/// The text for people.
pub(super) fn record(
    lease: &Lease,
    caller: &Caller,
    granted: &Granted,
    memlock: u64,
    sockets: &[OwnedFd],
) -> Record {
    let inode = |socket| fstat(socket).map_or(0, |found| found.st_ino);
    Record {
        lease: lease.number,
        uid: caller.uid,
        client: caller.pid,
        keeper: granted.keeper,
        first_queue: granted.first_queue,
        queues: granted.queues,
        since: boot_time().as_secs(),
        rule: granted.rule.clone(),
        device: granted.confinement.device,
        queue: granted.confinement.queue,
        memlock,
        sockets: sockets.iter().map(inode).collect(),
    }
}
