// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client run`: everything that could go wrong is checked before the exec, the cheapest check
//! first. Only then are sockets acquired, and this process becomes the command.

mod args;
mod guest;
mod inherited_fds;
mod leased;
mod memory;
mod plan;
mod queues;
mod quote;
mod start;
mod stream;
mod target;

use std::ffi::OsString;
use std::path::Path;

use xsk_client::{Endpoint, Error, Kind};
use xsk_command::{Failure, Patience, say};
use xsk_proto::Code;

use crate::arrive;
use crate::outcome::{Outcome, PROGRAM};
use crate::programs::{Consumer, Programs};
use crate::qemu;
use leased::Leased;
use memory::Need;
use plan::Plan;
use start::Start;
use target::Target;

use args::Mac;
pub use args::{Backend, RunArgs};

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
    let programs =
        Programs::find(&plan.command).map_err(|(program, error)| start::not_run(&program, &error))?;
    inherited_fds::check(&plan.given, &programs)?;
    check_closer(&plan, &programs)?;
    let streamed = through_stream(args.backend, &plan, &programs)?;
    if args.dry_run {
        plan.print(streamed);
        return Ok(None);
    }
    if plan.targets.is_empty() {
        say(PROGRAM, "warning: no af-xdp netdev in the command needs sockets; nothing is acquired");
        return Ok(Some(Start::new(plan.command)));
    }
    let need = Need::of(&plan, &programs.consumer, streamed, args.memlock);
    let endpoint = args.endpoint.endpoint();
    need.check_before(&endpoint, &plan)?;
    let mut held = acquire_all(plan.targets, &need, &endpoint, &patience)
        .map_err(|error| with_wait(error, args.wait.wait.is_some()))?;
    need.check_after(&held)?;
    need.warn_unknown();
    if args.mac == Some(Mac::Interface) {
        held.iter_mut().try_for_each(|held| put_mac(held, &mut plan.command))?;
    }
    let completes = streamed || matches!(programs.consumer, Consumer::Backend(_));
    for held in &held {
        arrive::warn(&held.lease.granted, &guest::cards_of(&held.target, &plan.command), completes);
    }
    queues::missed(&held).iter().for_each(|text| say(PROGRAM, &format!("warning: {text}")));
    let frames = streamed.then(|| need.frames(&held));
    Ok(Some(hand_over(Start::new(plan.command), held, frames)?))
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

/// Whether the sockets go to xsk-backend instead of QEMU.
fn through_stream(backend: Backend, plan: &Plan, programs: &Programs) -> Result<bool, Error> {
    if !plan.targets.iter().any(Target::is_argument) {
        return Ok(false);
    }
    let Some(qemu) = programs.consumer.qemu() else { return Ok(false) };
    match (qemu::has_af_xdp(qemu, qemu::PATIENCE), backend) {
        (Some(false), Backend::Direct) => Err(lacks_af_xdp(qemu)),
        (Some(false), Backend::Stream) => {
            let qemu = qemu.display();
            say(PROGRAM, &format!("{qemu} has no af-xdp: its netdev becomes a stream to xsk-backend"));
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn lacks_af_xdp(qemu: &Path) -> Error {
    let message = format!("{} has no af-xdp netdev built in", qemu.display());
    Error::new(Kind::Usage, qemu.display().to_string(), message)
        .hint("xsk-client run --backend stream -- COMMAND...")
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

/// If something is busy, suggests --wait, unless it was given.
fn with_wait(error: Error, waited: bool) -> Error {
    match error.kind {
        Kind::Refused(Code::Busy | Code::Limit) if !waited => {
            error.or_hint("wait for it: xsk-client run --wait -- COMMAND...")
        }
        _ => error,
    }
}

/// Gives the guest the address of the interface.
fn put_mac(held: &mut Leased, command: &mut [OsString]) -> Result<(), Error> {
    let mac = arrive::text_of(held.lease.granted.mac);
    guest::put(&mut held.target, command, &mac)
}

/// Gives each lease to the command; with `frames` those of its own netdevs to a backend, which may
/// have so many.
fn hand_over(mut start: Start, held: Vec<Leased>, frames: Option<Option<u64>>) -> Result<Start, Error> {
    let (streamed, direct): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|held| frames.is_some() && held.target.is_argument());
    // The backends first: each would inherit what survives an exec by then.
    stream::start(&mut start, streamed, frames.flatten())?;
    direct.into_iter().try_for_each(|held| start.take(held))?;
    Ok(start)
}
