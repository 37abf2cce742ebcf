// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives a conversation: receives, has it decided, does it, answers. With a grant the session ends
//! and the keeper begins.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use caps::Capability;
use xsk_proto::{Acquire, Refused, Reply};

use super::conversation::{Action, Conversation};
use super::ready::Ready;
use super::status;
use crate::audit::{self, Line, What};
use crate::caller::Caller;
use crate::connection::patience::Patience;
use crate::connection::{Connection, Incoming};
use crate::error::{Failure, IdentityFault, Limit, PolicyFault};
use crate::failpoints::failpoint;
use crate::grant::{self, Grant};
use crate::isolation::service;
use crate::keeper::{self, Kept, RevokeSignal};
use crate::kernel::Kernel;
use crate::leases::quota::Quota;
use crate::policy::{Policy, PolicyError};
use crate::revoke;
use crate::unit_status;

/// How long a refusal at the end of everything may take: a client that has filled the connection
/// and reads nothing is told nothing.
pub(crate) const REFUSAL: Duration = Duration::from_secs(1);
/// How many times longer than the silence that is allowed everything before a lease may take.
const WHOLE: u32 = 6;

/// How many refusals of one connection are logged; the others are counted.
const LOGGED: u32 = 8;

/// Everything that is known before the first byte is read.
struct Session<'a> {
    connection: &'a Connection,
    kernel: Kernel,
    caller: Caller,
    policy: Policy,
    quota: Quota,
    refusals: Cell<u32>,
    /// When everything before a lease has to be over.
    end: Instant,
}

/// Serves the connection to its end, the lease included.
pub(crate) fn serve(connection: Connection, ready: Ready<'_>) {
    let unit = ready.terms.unit;
    match converse(&connection, ready) {
        Ok(Some(kept)) => {
            if unit && kept.grant.handed_over {
                unit_status::show(&kept.grant.granted, kept.caller.uid);
            }
            keeper::keep(connection, kept)
        }
        Ok(None) => {}
        Err(failure) => {
            log_refusal(None, &failure.refused());
            connection.refuse(&failure, Patience::of(REFUSAL));
        }
    }
    drop(connection);
    audit::finish();
}

fn converse(connection: &Connection, mut ready: Ready<'_>) -> Result<Option<Kept>, Failure> {
    let kernel = ready.kernel()?;
    let caller = Caller::of(connection, &ready.terms.entry, kernel.netns)?;
    let policy = ready.policy().map_err(|error| unusable(&error))?;
    if !policy.raises_memlock() {
        service::give_up(Capability::CAP_SYS_RESOURCE)?;
    }
    let quota = take_connection(&caller, policy.limits.connections)?;
    failpoint!("counted");
    let end = Instant::now() + policy.limits.idle * WHOLE;
    let session =
        Session { connection, kernel, caller, policy, quota, refusals: Cell::new(0), end };
    let lease = session.run();
    session.log_others();
    let lease = lease?;
    let Session { kernel, caller, quota, .. } = session;
    Ok(lease.map(|(grant, revokes)| Kept { grant, kernel, caller, quota, revokes }))
}

fn unusable(error: &PolicyError) -> Failure {
    Line::new(What::Error).with("policy", error).log();
    PolicyFault::UnusableFile { place: error.place.clone() }.into()
}

/// The slot goes with the process, which serves this connection alone.
fn take_connection(caller: &Caller, most: u32) -> Result<Quota, Failure> {
    let taken = Quota::enter(caller.uid, most);
    let taken = taken.map_err(|error| Failure::sys("counting the user's connections", error))?;
    taken.ok_or_else(|| Limit::Connections { uid: caller.uid, most }.into())
}

impl Session<'_> {
    /// Until the client is gone, is refused for good, or has a lease.
    fn run(&self) -> Result<Option<(Grant, RevokeSignal)>, Failure> {
        let mut conversation = Conversation::new(self.policy.limits.messages);
        loop {
            if Instant::now() >= self.end {
                return Err(self.too_long());
            }
            let packet = match self.connection.receive(self.patience()) {
                Ok(Incoming::Message(packet)) => packet,
                Ok(Incoming::Closed) | Err(_) => return Ok(None),
                Ok(Incoming::Silence) => return Err(self.too_slow()),
            };
            let going_on = match conversation.next(packet) {
                Action::Greet(welcome) => self.connection.hold(&welcome, self.patience()).is_ok(),
                Action::Status => self.status(),
                Action::Check(acquire) => {
                    let verdict = grant::check(acquire, &self.kernel, &self.caller, &self.policy);
                    self.answer(verdict, Reply::Verdict)
                }
                Action::Revoke(which) => self
                    .answer(revoke::by_client(&which, &self.caller), |leases| Reply::Revoked {
                        leases,
                    }),
                Action::Close(refused) => return self.close(refused),
                Action::Grant(acquire) => match self.lease(acquire) {
                    Ok(lease) => return Ok(lease),
                    Err(failure) => self.refused(&failure),
                },
            };
            if !going_on {
                return Ok(None);
            }
        }
    }

    /// How long the client may take with its side of the next thing.
    fn patience(&self) -> Patience<'static> {
        Patience::until(self.end.min(Instant::now() + self.policy.limits.idle))
    }

    /// Returns whether the reply went off.
    fn say(&self, reply: &Reply) -> bool {
        self.connection.send(reply, self.patience()).is_ok()
    }

    fn answer<T>(&self, result: Result<T, Failure>, reply: impl Fn(T) -> Reply) -> bool {
        match result {
            Ok(value) => self.say(&reply(value)),
            Err(failure) => self.refused(&failure),
        }
    }

    fn status(&self) -> bool {
        status::parts(&self.caller, &self.kernel)
            .into_iter()
            .all(|part| self.say(&Reply::Status(part)))
    }

    /// A refusal that leaves the conversation open: the client may ask for something else, or
    /// again.
    fn refused(&self, failure: &Failure) -> bool {
        let refused = failure.refused();
        self.log_refusal(&refused);
        self.say(&Reply::Refused(refused))
    }

    fn close(&self, refused: Refused) -> Result<Option<(Grant, RevokeSignal)>, Failure> {
        self.log_refusal(&refused);
        self.say(&Reply::Refused(refused));
        self.connection.hear_no_more();
        Ok(None)
    }

    fn log_refusal(&self, refused: &Refused) {
        self.refusals.set(self.refusals.get() + 1);
        if self.refusals.get() <= LOGGED {
            log_refusal(Some(&self.caller), refused);
        }
    }

    /// What was not logged one by one.
    fn log_others(&self) {
        let others = self.refusals.get().saturating_sub(LOGGED);
        if others > 0 {
            let line =
                Line::new(What::Refuse).with("uid", self.caller.uid).with("pid", self.caller.pid);
            line.with("further_refusals", others).log();
        }
    }

    fn too_slow(&self) -> Failure {
        let seconds = self.policy.limits.idle.as_secs();
        IdentityFault::Silent { seconds }.into()
    }

    fn too_long(&self) -> Failure {
        let seconds = (self.policy.limits.idle * WHOLE).as_secs();
        IdentityFault::TooLong { seconds }.into()
    }

    /// Grants, with SIGTERM held back from before the first lock on.
    fn lease(&self, acquire: Acquire) -> Result<Option<(Grant, RevokeSignal)>, Failure> {
        let revokes = RevokeSignal::hold()?;
        match self.grant(acquire, &revokes) {
            Ok(Some(grant)) => Ok(Some((grant, revokes))),
            nothing => {
                revokes.release();
                nothing.map(|_| None)
            }
        }
    }

    /// Grants and hands over. A client that is gone by then, or takes nothing, gets nothing, and
    /// nothing is left of it. What becomes of the interface meanwhile is asked when the keeper
    /// begins to watch it.
    fn grant(&self, acquire: Acquire, revokes: &RevokeSignal) -> Result<Option<Grant>, Failure> {
        let mut grant = grant::grant(
            acquire,
            &self.kernel,
            self.connection,
            &self.caller,
            &self.policy,
            &self.quota,
        )?;
        let sockets = std::mem::take(&mut grant.sockets);
        failpoint!("granted");
        let reply = Reply::Granted(grant.granted.clone());
        let patience = self.patience().unless(revokes.as_fd());
        match self.connection.send_with(&reply, &sockets, patience) {
            Ok(()) => grant.handed_over = true,
            Err(error) if error.raw_os_error() == Some(libc::ETOOMANYREFS) => {
                drop(sockets);
                return grant.lease.end().and(Err(Limit::Descriptors.into()));
            }
            // A keeper ends it as any lease: the program that it attached, perhaps, lingers too.
            Err(_) => return Ok(Some(grant)),
        }
        failpoint!("sent");
        note(&grant);
        log_grant(&self.caller, &grant);
        Ok(Some(grant))
    }
}

/// `caller` is `None` if the refusal is that the caller cannot be identified.
fn log_refusal(caller: Option<&Caller>, refused: &Refused) {
    let mut line = Line::new(What::Refuse);
    if let Some(caller) = caller {
        line = line.with("uid", caller.uid).with("pid", caller.pid);
    }
    line.with("code", refused.code)
        .with("object", &refused.object)
        .with("reason", &refused.message)
        .log();
}

/// Only now, since nobody needs the text for the sockets; and a folder that is full is no reason to
/// take them back.
fn note(grant: &Grant) {
    if let Err(error) = grant.record.write(grant.lease.key) {
        Line::new(What::Error).with("interface", &grant.granted.ifname).with("record", error).log();
    }
}

fn log_grant(caller: &Caller, grant: &Grant) {
    let granted = &grant.granted;
    Line::new(What::Grant)
        .with("uid", caller.uid)
        .with("pid", caller.pid)
        .with("lease", granted.lease)
        .with("rule", &granted.rule)
        .with("interface", &granted.ifname)
        .with("ifindex", granted.ifindex)
        .with("first_queue", granted.first_queue)
        .with("queues", granted.queues)
        .with("mode", granted.mode)
        .with("confined_to_device", granted.confinement.device)
        .with("confined_to_queue", granted.confinement.queue)
        .with("promisc", granted.promisc)
        .log();
}
