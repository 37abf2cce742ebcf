// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a request to sockets in the map: first everything that can be refused without touching
//! anything, then the claim under the interface's lock, and nothing half-made if that fails.

mod claim;
mod confinement;
mod denial;
mod describe;
mod device;
mod filter;
mod kernel_warnings;
mod lease;
mod lease_place;
mod mac;
mod memlock;
mod options;
mod program;
mod request;
mod sockets;
mod surroundings;
mod sysfs;
mod tags;
mod wait_unbound;

use std::os::fd::{AsFd, OwnedFd};

use xsk_netlink::Link;
use xsk_proto::{Acquire, Granted, Memlock, Verdict};

use crate::caller::Caller;
use crate::error::{Failure, Taken};
use crate::failpoints::failpoint;
use crate::guard::Guard;
use crate::kernel::Kernel;
use crate::leases::key::Key;
use crate::leases::memlock::Declaration;
use crate::leases::quota::Quota;
use crate::leases::record::Record;
use crate::leases::table;
use crate::policy::{Allowed, Policy};
use claim::Claim;
use confinement::Sockets;
use device::Device;
pub(crate) use lease::Lease;
use options::Options;
use request::Request;

/// A lease with what goes to the client, and what stays in the keeper beside it.
pub(crate) struct Grant {
    pub(crate) lease: Lease,
    pub(crate) granted: Granted,
    pub(crate) sockets: Vec<OwnedFd>,
    /// The interface as it was at the grant.
    pub(crate) link: Link,
    /// The text for people.
    pub(crate) record: Record,
    /// The client has its sockets, as far as the connection is concerned.
    pub(crate) handed_over: bool,
    /// What the lease has beside its queues, for as long as it lasts.
    pub(crate) extras: Extras,
}

/// Each is in force as long as it is held.
pub(crate) struct Extras {
    /// Keeps the interface's filter open.
    _filter: Option<OwnedFd>,
    /// Counts what the consumer will lock.
    _declaration: Option<Declaration>,
}

/// Grants the request, or leaves everything as it was.
pub(crate) fn grant(
    acquire: Acquire,
    kernel: &Kernel,
    connection: impl AsFd,
    caller: &Caller,
    policy: &Policy,
    quota: &Quota,
) -> Result<Grant, Failure> {
    let (request, allowed) = Request::judge(acquire, policy, caller)?;
    let place = lease_place::take(quota, caller.uid, allowed.rule)?;
    failpoint!("slot");
    let grant = make(&request, &allowed, kernel, connection, caller);
    if grant.is_err() {
        quota.give_back(place);
    }
    grant
}

/// What the policy allows, as far as the interface and the kernel can give it.
fn make(
    request: &Request,
    allowed: &Allowed<'_>,
    kernel: &Kernel,
    connection: impl AsFd,
    caller: &Caller,
) -> Result<Grant, Failure> {
    let (name, acquire) = (request.name.as_str(), &request.acquire);
    let device = fitting_device(request, kernel)?;
    let ifindex = device.link.ifindex;
    let sockets = sockets::make(ifindex, acquire.queues, &request.options)
        .map_err(|failure| device.explain(failure))?;
    let guard = Guard::open();
    let probe = Sockets { sockets: &sockets, guard: guard.as_ref() };
    let confinement = confinement::establish(&probe, allowed.rule.confine, caller.uid, name)?;
    failpoint!("sockets");
    let key = Key { netns: caller.netns, ifindex };
    let lease =
        Lease::new(key, caller.uid, acquire.first_queue, acquire.queues, allowed.rule.linger)?;
    let guard = guard.filter(|_| confinement.queue);
    let mut claim = Claim { request, allowed, device, sockets, guard, lease };
    let (attachment, filter) = claim.make()?;
    failpoint!("unlocked");
    let Claim { device, sockets, mut lease, .. } = claim;
    let (told, memlock, declaration) =
        match settle(request, allowed, &device, &lease, &connection, caller) {
            Ok(settled) => settled,
            Err(failure) => {
                lease.end()?;
                return Err(failure);
            }
        };
    let mut granted = Granted {
        memlock,
        ..describe::granted(request, allowed, &device, attachment, &lease, confinement)
    };
    granted.warnings.extend(kernel_warnings::warnings(connection, &lease, told, memlock));
    let record = describe::record(&lease, caller, &granted, request.options.memlock, &sockets);
    let extras = Extras { _filter: filter, _declaration: declaration };
    Ok(Grant { lease, granted, sockets, link: device.link, record, handed_over: false, extras })
}

/// Without the interface's lock: the queues are free by the kernel's own word, and the consumer's
/// memory is declared. The first value tells whether the kernel said that the queues are free.
fn settle(
    request: &Request,
    allowed: &Allowed<'_>,
    device: &Device<'_>,
    lease: &Lease,
    connection: impl AsFd,
    caller: &Caller,
) -> Result<(bool, Memlock, Option<Declaration>), Failure> {
    let told = wait_unbound::wait(device.netdev(), &device.link, lease.range())?;
    let bytes = request.options.memlock;
    let (memlock, declaration) = memlock::declare(connection, caller, bytes, allowed.rule.memlock)?;
    Ok((told, memlock, declaration))
}

/// The interface, if it can carry what the request asks for.
fn fitting_device<'k>(request: &Request, kernel: &'k Kernel) -> Result<Device<'k>, Failure> {
    let device = Device::find(kernel, &request.name)?;
    device.check_kind()?;
    device.check_queues(&request.name, request.acquire.first_queue, request.acquire.queues)?;
    device.check_mtu(request.options.frags)?;
    Ok(device)
}

/// What would be granted, without touching anything.
pub(crate) fn check(
    acquire: Acquire,
    kernel: &Kernel,
    caller: &Caller,
    policy: &Policy,
) -> Result<Verdict, Failure> {
    let (request, allowed) = Request::judge(acquire, policy, caller)?;
    let device = fitting_device(&request, kernel)?;
    check_holders(&device, caller, allowed.rule.shared)?;
    let sockets = sockets::make(device.link.ifindex, 1, &Options::default())?;
    let guard = Guard::open();
    let probe = Sockets { sockets: &sockets, guard: guard.as_ref() };
    let name = request.name.as_str();
    let confinement = confinement::establish(&probe, allowed.rule.confine, caller.uid, name)?;
    Ok(describe::verdict(allowed.rule, &device, confinement))
}

/// Whether a queue is free is a matter of the moment; that another user holds the interface, and
/// the rule does not share it, is not.
fn check_holders(device: &Device<'_>, caller: &Caller, shared: bool) -> Result<(), Failure> {
    let key = Key { netns: caller.netns, ifindex: device.link.ifindex };
    let holders = table::holders(key);
    let holders = holders.map_err(|error| Failure::sys("reading the lease table", error))?;
    match holders.iter().find(|holder| !shared && holder.uid != caller.uid) {
        Some(holder) => {
            Err(Taken::Unshared { name: device.link.name.clone(), uid: holder.uid }.into())
        }
        None => Ok(()),
    }
}
