// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a request to sockets in the map: first everything that can be refused without touching anything, then
//! the claim under the interface's lock, and nothing half-made if that fails.

mod deferred_insert;
mod denial;
mod device;
mod filter;
pub(crate) mod guard;
mod kernel_warnings;
mod lease;
mod mac;
mod memlock;
mod options;
pub(crate) mod program;
mod refusal;
mod residue;
mod sockets;
mod sysfs;
mod tags;
mod wait_unbound;

use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use xsk_netlink::Link;
use xsk_proto::{
    Acquire, BusyPoll, Code, Confinement, Granted, IfName, MAX_QUEUES, Memlock, Verdict, Warning, WarningKind,
};

use crate::audit::shown;
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::kernel::Kernel;
use crate::leases::key::Key;
use crate::leases::memlock::Declaration;
use crate::leases::quota::{Kind, Quota, QuotaSlot};
use crate::leases::record::Record;
use crate::policy::names::System;
use crate::policy::rule::{Confine, Rule};
use crate::policy::{Allowed, Policy, Question};
use crate::serve::caller::Caller;
use crate::sys::clock::boot_time;
use device::Device;
use guard::Guard;
pub(crate) use lease::{Lease, remove_program};
use options::Options;
use program::{Attachment, Wanted};

/// How long a request waits for the place of a lease that has ended.
const PLACE_PATIENCE: Duration = Duration::from_millis(2500);
const PLACE_SLACK: Duration = Duration::from_millis(500);
const PLACE_PAUSE: Duration = Duration::from_millis(20);

/// A lease with what goes to the client, and what stays in the keeper beside it.
pub(crate) struct Grant {
    pub(crate) lease: Lease,
    pub(crate) granted: Granted,
    pub(crate) sockets: Vec<OwnedFd>,
    /// The interface as it was then.
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

/// A request whose every word is valid.
struct Request {
    name: IfName,
    options: Options,
    acquire: Acquire,
}

impl Request {
    /// A valid request that the policy allows. Whom it allows nothing is not told about options either.
    fn judge<'p>(
        acquire: Acquire,
        policy: &'p Policy,
        caller: &Caller,
    ) -> Result<(Self, Allowed<'p>), Failure> {
        let (options, unknown) = match Options::parse(&acquire.params) {
            Ok(options) => (options, None),
            Err(failure) => (Options::default(), Some(failure)),
        };
        let request = Self::check(acquire, options)?;
        let allowed = request.allowed(policy, caller)?;
        unknown.map_or(Ok((request, allowed)), Err)
    }

    fn check(acquire: Acquire, options: Options) -> Result<Self, Failure> {
        let name = IfName::parse(&acquire.ifname).map_err(|error| {
            Failure::new(Code::BadName, shown(&acquire.ifname), error.to_string())
                .hint("see the names: ip link")
        })?;
        let Acquire { first_queue, queues, .. } = acquire;
        let fits = first_queue.checked_add(queues).is_some_and(|end| end <= i32::MAX as u32);
        if (1..=MAX_QUEUES).contains(&queues) && fits {
            return Ok(Self { name, options, acquire });
        }
        let message = format!("{queues} queues from {first_queue} on cannot be asked for");
        Err(Failure::new(Code::QueueRange, name.as_str(), message).hint(format!("ask for 1 to {MAX_QUEUES}")))
    }

    fn allowed<'p>(&self, policy: &'p Policy, caller: &Caller) -> Result<Allowed<'p>, Failure> {
        let macs: Vec<_> = self.options.macs.iter().map(ToString::to_string).collect();
        let question = Question {
            uid: caller.uid,
            groups: &caller.groups,
            denying: &caller.denying,
            ifname: self.name.as_str(),
            first_queue: self.acquire.first_queue,
            queues: self.acquire.queues,
            mode: self.acquire.mode,
            promisc: self.options.promisc,
            allmulti: self.options.allmulti,
            macs: &macs,
            busy_poll: self.options.busy_poll > 0,
        };
        policy
            .decide(&question, &System)
            .map_err(|denied| denial::failure(&denied, caller.uid, self.name.as_str()))
    }
}

/// What the kernel can hold sockets to, tried on one of them; the guard's stamp is made anew afterwards.
fn confinement(sockets: &[OwnedFd], guard: Option<&Guard>) -> Confinement {
    let Some(socket) = sockets.first() else { return Confinement { device: false, queue: false } };
    let device = sockets::confined_to_device(socket);
    Confinement { device, queue: device && guard.is_some_and(|guard| guard.in_force(socket)) }
}

/// A client other than root gets nothing that the kernel does not hold to its interface; and what a rule
/// demands beyond that has to hold too.
fn check_confinement(
    held: Confinement,
    demanded: Confine,
    caller: &Caller,
    ifname: &str,
) -> Result<(), Failure> {
    if !held.device && caller.uid != 0 {
        let message =
            "this kernel does not hold an AF_XDP socket to its interface, so only root can have one";
        return Err(Failure::new(Code::Confinement, ifname, message).hint(
            "use Linux 6.5 or later, or a stable kernel that honours SO_BINDTODEVICE on AF_XDP sockets",
        ));
    }
    if demanded == Confine::Queue && !held.queue {
        let message = format!(
            "the policy demands that sockets of {ifname} are held to their queues, which this kernel cannot do"
        );
        return Err(Failure::new(Code::Confinement, ifname, message).hint(
            "boot with bpf among the security modules (lsm=…,bpf), or set confine = \"device\" in the rule",
        ));
    }
    Ok(())
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
    let slot = take_slot(quota, caller, allowed.rule)?;
    failpoint!("slot");
    let grant = claim(&request, &allowed, kernel, connection, caller);
    if grant.is_err() {
        quota.give_back(slot);
    }
    grant
}

/// A lease that has ended has its place for as long as its program lingers, so that one is waited
/// for.
fn take_slot(quota: &Quota, caller: &Caller, rule: &Rule) -> Result<QuotaSlot, Failure> {
    let most = rule.max_leases;
    let end = Instant::now() + place_patience(rule.linger);
    loop {
        let taken = quota.take(Kind::Lease, most);
        match taken.map_err(|error| Failure::internal("counting the user's leases", error))? {
            Some(slot) => return Ok(slot),
            None if Instant::now() >= end => return Err(too_many(caller.uid, most)),
            None => sleep(PLACE_PAUSE),
        }
    }
}

/// As long as a lease lingers that is just about to end.
fn place_patience(linger: Duration) -> Duration {
    if linger.is_zero() { linger } else { (linger + PLACE_SLACK).min(PLACE_PATIENCE) }
}

fn too_many(uid: u32, most: u32) -> Failure {
    let message = format!("uid {uid} has {most} leases, as many as the policy allows");
    Failure::new(Code::Limit, "leases", message)
        .hint("end one of them, or have max_leases raised in the rule")
}

/// What the policy allows, as far as the interface and the kernel can give it.
fn claim(
    request: &Request,
    allowed: &Allowed<'_>,
    kernel: &Kernel,
    connection: impl AsFd,
    caller: &Caller,
) -> Result<Grant, Failure> {
    let Acquire { first_queue, queues, .. } = request.acquire;
    let mut device = Device::find(kernel, &request.name)?;
    device.check_kind()?;
    device.check_queues(&request.name, first_queue, queues)?;
    device.check_mtu(request.options.frags)?;
    let sockets = sockets::make(device.link.ifindex, queues, &request.options)
        .map_err(|failure| device.explain(failure))?;
    let mut guard = Guard::open();
    let confinement = confinement(&sockets, guard.as_ref());
    check_confinement(confinement, allowed.rule.confine, caller, request.name.as_str())?;
    failpoint!("sockets");
    let key = Key { netns: caller.netns, ifindex: device.link.ifindex };
    let mut lease = Lease::new(key, caller.uid, first_queue, queues, allowed.rule.linger)?;
    let (attachment, filter) = lease.claim(request.name.as_str(), allowed.rule.shared, |lease, idle| {
        device.refresh()?;
        let occupied = occupy(lease, idle, request, allowed, &device, &sockets)
            .map_err(|failure| device.explain(failure))?;
        match guard.take().filter(|_| confinement.queue) {
            Some(guard) => lease.guard(guard, &sockets, occupied.0.fresh).map(|()| occupied),
            None => Ok(occupied),
        }
    })?;
    failpoint!("unlocked");
    let finished = wait_unbound::wait(device.netdev(), &device.link, lease.range()).and_then(|told| {
        let bytes = request.options.memlock;
        Ok((told, memlock::declare(&connection, caller, bytes, allowed.rule.memlock)?))
    });
    let (told, (memlock, declaration)) = match finished {
        Ok(finished) => finished,
        Err(failure) => {
            lease.end()?;
            return Err(failure);
        }
    };
    let mut granted =
        Granted { memlock, ..describe(request, allowed, &device, attachment, &lease, confinement) };
    granted.warnings.extend(kernel_warnings::warnings(connection, &lease, told, memlock));
    let record = record(&lease, caller, &granted, request.options.memlock);
    let extras = Extras { _filter: filter, _declaration: declaration };
    Ok(Grant { lease, granted, sockets, link: device.link, record, handed_over: false, extras })
}

/// Under the interface's lock, with the queues taken: the program, the slots, the filter.
fn occupy(
    lease: &mut Lease,
    idle: bool,
    request: &Request,
    allowed: &Allowed<'_>,
    device: &Device<'_>,
    sockets: &[OwnedFd],
) -> Result<(Attachment, Option<OwnedFd>), Failure> {
    let frags = request.options.frags;
    let (key, link, modes) = (lease.key, &device.link, &allowed.modes);
    let wanted = Wanted { key, link, kernel: device.kernel(), modes, frags };
    failpoint!("claimed");
    let (redirect, attachment) = program::install(&wanted, idle)?;
    failpoint!("installed");
    lease.hold(redirect, attachment.prog_id)?;
    for (queue, socket) in (request.acquire.first_queue..).zip(sockets) {
        lease.fill(queue, socket, request.name.as_str())?;
        failpoint!("inserted");
    }
    Ok((attachment, filter::open(device, &request.options)?))
}

/// What a manager wants to know.
fn describe(
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
    let name = &device.link.name;
    if !confinement.device {
        let text = format!("this kernel does not hold the sockets to {name}");
        warnings.push(Warning { kind: WarningKind::NoDeviceConfinement, text });
    } else if !confinement.queue {
        let text = format!("this kernel holds the sockets to {name}, not to their queues");
        warnings.push(Warning { kind: WarningKind::NoQueueConfinement, text });
    }
    warnings
}

/// What would be granted, without touching anything.
pub(crate) fn check(
    acquire: Acquire,
    kernel: &Kernel,
    caller: &Caller,
    policy: &Policy,
) -> Result<Verdict, Failure> {
    let (request, allowed) = Request::judge(acquire, policy, caller)?;
    let device = Device::find(kernel, &request.name)?;
    device.check_kind()?;
    device.check_queues(&request.name, request.acquire.first_queue, request.acquire.queues)?;
    device.check_mtu(request.options.frags)?;
    let probe = sockets::make(device.link.ifindex, 1, &Options::default())?;
    let confinement = confinement(&probe, Guard::open().as_ref());
    check_confinement(confinement, allowed.rule.confine, caller, request.name.as_str())?;
    Ok(Verdict {
        rule: allowed.rule.label.clone(),
        mode: device.link.xdp.first().and_then(|attached| program::mode(attached.mode)),
        confinement,
        promisc: allowed.rule.promisc,
        allmulti: allowed.rule.allmulti,
        busy_poll: allowed.rule.busy_poll,
        memlock_max: allowed.rule.memlock,
    })
}

fn record(lease: &Lease, caller: &Caller, granted: &Granted, memlock: u64) -> Record {
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
    }
}
