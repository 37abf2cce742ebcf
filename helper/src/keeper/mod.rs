// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is left of a helper once the sockets are handed over: a process without a capability that
//! waits for the end of the lease, tells the client what happens to the interface, and cleans up.

mod filter;
mod lease_connection;
mod linger;
mod revoke_signal;
mod watch;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use xsk_netlink::Link;
use xsk_proto::{Code, Event, EventKind, Granted, Refused, Reply};

use crate::audit::{self, Line, What};
use crate::caller::Caller;
use crate::connection::{Connection, Incoming};
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::grant::{Grant, Lease};
use crate::isolation;
use crate::kernel::Kernel;
use crate::leases::quota::Quota;
use crate::sys::process;
use lease_connection::LeaseConnection;
pub(crate) use revoke_signal::RevokeSignal;
use watch::{News, Watch};

/// A client has nothing to say on a lease's connection; one that says more than this ends the
/// lease.
const MESSAGES: u32 = 8;

/// What a client is told of a revoke.
const REVOKED: &str = "the lease was revoked; the queues receive nothing more";
/// The same if this process may not empty a slot.
const REVOKED_IN_PART: &str = "the lease was revoked; before Linux 5.19 the queues receive until their sockets are closed, as long as the interface has other leases";

/// Why a lease ended, as the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndReason {
    Closed,
    Revoked,
    Interface,
    Talkative,
    /// The client did not take the sockets, so there was no lease.
    Unreceived,
}

impl EndReason {
    /// How long the program stays. On an interface that is gone there is nothing to spare.
    const fn linger(self, lease: &Lease) -> Duration {
        match self {
            EndReason::Interface => Duration::ZERO,
            _ => lease.linger,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            EndReason::Closed => "closed",
            EndReason::Revoked => "revoked",
            EndReason::Interface => "interface-gone",
            EndReason::Talkative => "too-many-messages",
            EndReason::Unreceived => "not-received",
        }
    }
}

/// A lease and what tells of its end.
struct Keeper {
    connection: LeaseConnection,
    lease: Lease,
    watch: Watch,
    revokes: RevokeSignal,
    messages: u32,
}

/// What a keeper takes over from the session.
pub(crate) struct Kept {
    pub(crate) grant: Grant,
    pub(crate) kernel: Kernel,
    pub(crate) caller: Caller,
    /// The file under the user's slots, one of which is the lease's: closing it would give them
    /// back.
    pub(crate) quota: Quota,
    pub(crate) revokes: RevokeSignal,
}

/// Keeps the lease to its end, and ends the process.
pub(crate) fn keep(
    connection: Connection,
    Kept { grant, kernel, caller, quota, revokes }: Kept,
) -> ! {
    let since = Instant::now();
    let Grant { lease, granted, sockets, link, extras, handed_over, .. } = grant;
    drop(sockets);
    let watch = set_up(kernel, &lease, &link, &granted);
    drop(link);
    drop(granted);
    process::trim_memory();
    let connection = LeaseConnection::new(connection);
    let (end, mut lease, connection, revokes) = match watch {
        Ok(_) if !handed_over => (EndReason::Unreceived, lease, connection, revokes),
        Ok(watch) => Keeper { connection, lease, watch, revokes, messages: 0 }.wait(),
        Err(failure) => {
            log_failure(&failure);
            (EndReason::Closed, lease, connection, revokes)
        }
    };
    let ended = lease.end_but_program();
    drop(extras);
    log_end(&caller, &lease, end, since);
    if let Err(failure) = ended {
        log_failure(&failure);
    }
    audit::finish();
    let linger = end.linger(&lease);
    linger::stay(connection, lease, linger, &revokes);
    drop(quota);
    process::exit_now(0);
}

/// Everything that has to be opened, and then the fifth stage of isolation.
fn set_up(kernel: Kernel, lease: &Lease, link: &Link, granted: &Granted) -> Result<Watch, Failure> {
    failpoint!("keeper");
    let watch = Watch::open(kernel, lease.key, link, granted)
        .map_err(|error| Failure::sys("listening to rtnetlink", error))?;
    isolation::renounce()?;
    isolation::landlock::confine(&lease.folders());
    failpoint!("renounced");
    filter::install(filter::Needs { deferred_insert: lease.waits(), log: audit::stream() })?;
    failpoint!("filtered");
    Ok(watch)
}

impl Keeper {
    /// Waits until the lease is over. Returns what is needed for its end.
    fn wait(mut self) -> (EndReason, Lease, LeaseConnection, RevokeSignal) {
        let end = self.until_over();
        (end, self.lease, self.connection, self.revokes)
    }

    fn until_over(&mut self) -> EndReason {
        let meanwhile = self.watch.meanwhile();
        if let Some(end) = self.pass_on(meanwhile) {
            return end;
        }
        loop {
            let (connection, signal, news) = self.poll();
            audit::resend();
            self.lease.insert_deferred();
            if signal {
                self.revokes.take();
                self.tell(
                    EventKind::Revoked,
                    if self.lease.can_end() { REVOKED } else { REVOKED_IN_PART },
                );
                return EndReason::Revoked;
            }
            if news {
                let news = self.watch.read(|| self.lease.is_attached());
                if let Some(end) = self.pass_on(news) {
                    return end;
                }
            }
            if connection {
                if let Some(end) = self.drain() {
                    return end;
                }
            }
        }
    }

    /// Returns which of connection, signals and netlink are readable.
    fn poll(&self) -> (bool, bool, bool) {
        let mut set = [
            PollFd::new(self.connection.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.revokes.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.watch.as_fd(), PollFlags::POLLIN),
        ];
        let pause = [self.lease.pause(), audit::pause()].into_iter().flatten().min();
        let pause = pause.and_then(|pause| PollTimeout::try_from(pause).ok());
        // An error is an interruption: then nothing is ready, and it is asked again.
        if poll(&mut set, pause.unwrap_or(PollTimeout::NONE)).is_err() {
            return (false, false, false);
        }
        let ready = set.map(|fd| fd.any().unwrap_or(false));
        (ready[0], ready[1], ready[2])
    }

    /// Reads everything that is there. Otherwise a client that sends its own end of the connection
    /// through it would keep its lease for ever.
    fn drain(&mut self) -> Option<EndReason> {
        loop {
            match self.connection.receive() {
                Ok(Incoming::Silence) => return None,
                Ok(Incoming::Closed) | Err(_) => return Some(EndReason::Closed),
                Ok(Incoming::Message(_)) => {
                    self.messages += 1;
                    if self.messages > MESSAGES {
                        return Some(EndReason::Talkative);
                    }
                    self.connection.say(&Reply::Refused(out_of_place()));
                }
            }
        }
    }

    /// Tells the client, and says whether the lease is over by that.
    fn pass_on(&mut self, news: Vec<News>) -> Option<EndReason> {
        let mut end = None;
        for (kind, text) in news {
            self.tell(kind, &text);
            if matches!(kind, EventKind::InterfaceGone | EventKind::InterfaceMoved) {
                end = Some(EndReason::Interface);
            }
        }
        end
    }

    fn tell(&mut self, kind: EventKind, text: &str) {
        Line::new(What::Event)
            .with("lease", self.lease.number)
            .with("uid", self.lease.uid)
            .with("event", text)
            .log();
        self.connection.say(&Reply::Event(Event { kind, text: text.to_owned() }));
    }
}

fn out_of_place() -> Refused {
    Refused {
        code: Code::BadState,
        object: "connection".to_owned(),
        message: "this connection is a lease; nothing more can be asked for on it".to_owned(),
        hint: "open another connection".to_owned(),
    }
}

fn log_failure(failure: &Failure) {
    let refused = failure.refused();
    Line::new(What::Error)
        .with("code", refused.code)
        .with("object", &refused.object)
        .with("error", &refused.message)
        .log();
}

fn log_end(caller: &Caller, lease: &Lease, end: EndReason, since: Instant) {
    Line::new(What::End)
        .with("uid", caller.uid)
        .with("pid", caller.pid)
        .with("lease", lease.number)
        .with("ifindex", lease.key.ifindex)
        .with("first_queue", lease.first_queue)
        .with("queues", lease.queues)
        .with("reason", end.word())
        .with("seconds", since.elapsed().as_secs())
        .log();
}
