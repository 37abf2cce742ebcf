// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client run`: everything that could go wrong is checked before the exec, the cheapest check
//! first. Only then are sockets acquired, and this process becomes the command.

mod args;
mod backend;
mod guest;
mod guest_memory;
mod inherited_fds;
mod leased;
mod memory;
mod plan;
mod queues;
mod quote;
mod start;
mod stream;
mod target;
mod vhost;
mod way;

use std::ffi::OsString;

use xsk_client::{Endpoint, Error, Kind};
use xsk_command::{Failure, Patience, say};

use crate::arrive;
use crate::outcome::{Outcome, PROGRAM};
use crate::programs::{Consumer, Programs};
use backend::Backends;
use leased::Leased;
use memory::Need;
use plan::Plan;
use start::Start;
use target::Target;
use way::Way;

use args::Mac;
pub use args::{Backend, RunArgs};
pub(crate) use memory::guests;

/// The status of this command's own failures, as for env(1).
pub(crate) const OURS: u8 = 125;

/// Becomes the command. Returns if that failed, and after a dry run.
pub(crate) fn run(args: &RunArgs) -> Outcome {
    match prepare(args) {
        Ok(Some(start)) => Err(start.become_it()),
        Ok(None) => Ok(0),
        Err(failure) if start::is_about_the_command(&failure) => Err(failure),
        Err(failure) => Err(Failure { status: OURS, ..failure }),
    }
}

/// Returns the command with its sockets; none where it was only to be printed.
fn prepare(args: &RunArgs) -> Result<Option<Start>, Failure> {
    let patience = args.wait.begin(PROGRAM);
    let mut plan = Plan::make(args, &patience)?;
    let programs = Programs::find(&plan.command)
        .map_err(|(program, error)| start::not_run(&program, &error))?;
    inherited_fds::check(&plan.given, &programs)?;
    check_closer(&plan, &programs)?;
    let way = Way::choose(args, &plan, &programs)?;
    if args.dry_run {
        plan.print(way);
        return Ok(None);
    }
    if plan.targets.is_empty() {
        say(PROGRAM, "warning: no af-xdp netdev in the command needs sockets; nothing is acquired");
        return Ok(Some(Start::new(plan.command)));
    }
    let need = Need::of(&plan, &programs.consumer, way.is_backend(), args.memlock);
    let endpoint = args.endpoint.endpoint();
    need.check_before(&endpoint, &plan)?;
    let mut held = acquire_all(plan.targets, &need, &endpoint, &patience)?;
    need.check_after(&held)?;
    need.warn_unknown();
    if args.mac == Some(Mac::Interface) {
        held.iter_mut().try_for_each(|held| put_mac(held, &mut plan.command))?;
    }
    let completes = way.is_backend() || matches!(programs.consumer, Consumer::Backend(_));
    for held in &held {
        arrive::warn(&held.lease.granted, &guest::cards_of(&held.target, &plan.command), completes);
    }
    queues::missed(&held).iter().for_each(|text| say(PROGRAM, &format!("warning: {text}")));
    let frames = need.frames(&held);
    Ok(Some(hand_over(Start::new(plan.command), held, way, || Backends::new(args, frames))?))
}

/// Refuses a command that would lose its sockets on the way.
fn check_closer(plan: &Plan, programs: &Programs) -> Result<(), Error> {
    match &programs.closer {
        Some(closer) if !plan.targets.is_empty() => {
            let message = format!(
                "{closer} closes every descriptor above 2, so the sockets would be lost: put it before xsk-client"
            );
            Err(Error::new(Kind::Usage, closer, message)
                .hint(format!("{closer} ... xsk-client run -- COMMAND...")))
        }
        _ => Ok(()),
    }
}

fn acquire_all(
    targets: Vec<Target>,
    need: &Need,
    endpoint: &Endpoint,
    patience: &Patience,
) -> Result<Vec<Leased>, Error> {
    let one = |target: Target| {
        let declared = need.declared(&target);
        let request = target.request.clone();
        let request = if declared > 0 { request.memlock(declared) } else { request };
        let lease = arrive::acquire(patience, endpoint, request)?;
        Ok(Leased { target, lease, declared })
    };
    targets.into_iter().map(one).collect()
}

/// Gives the guest the address of the interface.
fn put_mac(held: &mut Leased, command: &mut [OsString]) -> Result<(), Error> {
    let mac = arrive::text_of(held.lease.granted.mac);
    guest::put(&mut held.target, command, &mac)
}

/// Gives each lease to the command, or those of its own netdevs to backends.
fn hand_over(
    mut start: Start,
    held: Vec<Leased>,
    way: Way,
    backends: impl FnOnce() -> Result<Backends, Error>,
) -> Result<Start, Error> {
    let (for_backends, direct): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|held| way.is_backend() && held.target.is_argument());
    if way.is_backend() {
        let backends = backends()?;
        match way {
            Way::Stream(reconnect) => for_backends
                .iter()
                .try_for_each(|leased| stream::start(&mut start, leased, &backends, reconnect))?,
            Way::VhostUser(fit) => vhost::start(&mut start, &for_backends, fit, &backends)?,
            Way::Direct => {}
        }
        backends.hand_over()?;
    }
    direct.into_iter().try_for_each(|held| start.take(held))?;
    Ok(start)
}
