// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client run`: everything that could go wrong is looked at before the exec, in the order of what it
//! costs; only then sockets are acquired; then this process becomes the command.

mod args;
mod given;
mod guest;
mod memory;
mod plan;
mod quote;
mod stream;

use std::ffi::OsString;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use xsk_client::descriptors::survive_exec;
use xsk_client::{Endpoint, Error, Kind, Lease, Request, acquire};
use xsk_proto::{Code, WarningKind};

use crate::probe::{self, Program};
use crate::sys::process;
use plan::{Plan, Target};

pub use args::{Backend, RunArgs};

/// The status of our own failures, as of env(1).
pub(crate) const OURS: u8 = 125;
/// The command was found and could not be run.
const NOT_RUN: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;

/// Why `run` came back.
pub(crate) struct Failure {
    pub(crate) status: u8,
    pub(crate) error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { status: OURS, error }
    }
}

/// A lease and what it is for.
struct Held {
    target: Target,
    lease: Lease,
    /// Bytes that it locks, as the helper was told.
    declared: u64,
}

/// Becomes the command; comes back only where that failed.
pub(crate) fn run(args: RunArgs) -> Failure {
    match prepare(&args) {
        Err(failure) => failure,
        Ok(Ready::Printed) => std::process::exit(0),
        Ok(Ready::Start { command, variables }) => {
            let (program, arguments) =
                command.split_first().map_or_else(Default::default, |(p, a)| (p.clone(), a));
            let error = process::become_program(&program, arguments, &variables);
            not_run(&program, &error)
        }
    }
}

enum Ready {
    /// A dry run.
    Printed,
    Start {
        command: Vec<OsString>,
        variables: Vec<(OsString, OsString)>,
    },
}

fn prepare(args: &RunArgs) -> Result<Ready, Failure> {
    let plan = Plan::make(args)?;
    let program = probe::find(&plan.command).map_err(|(program, error)| not_run(&program, &error))?;
    given::check(&plan.given, &program)?;
    let streamed = through_stream(args.backend, &plan, &program)?;
    if args.dry_run {
        plan.print(streamed);
        return Ok(Ready::Printed);
    }
    let endpoint = args.endpoint.endpoint();
    if plan.targets.is_empty() {
        eprintln!("xsk-client: warning: no af-xdp netdev in the command needs sockets; nothing is acquired");
        return Ok(Ready::Start { command: plan.command, variables: Vec::new() });
    }
    let need = memory::Need::of(&plan, &program, streamed);
    need.check_before(&endpoint, &plan)?;
    let mut held = Vec::new();
    for target in plan.targets {
        let declared = need.declared(&target);
        let request = target.request.clone();
        let request = if declared > 0 { request.memlock(declared) } else { request };
        let lease = lease(&endpoint, &request, args.wait)?;
        held.push(Held { target, lease, declared });
    }
    need.check_after(&held)?;
    held.iter().for_each(|held| warn(held, &plan.command));
    if streamed {
        let frames = need.frames(&held);
        stream::start(plan.command, held, frames).map_err(Failure::from)
    } else {
        rewrite(plan.command, held).map_err(Failure::from)
    }
}

/// Whether the sockets go to xsk-backend instead of QEMU.
fn through_stream(backend: Backend, plan: &Plan, program: &Program) -> Result<bool, Error> {
    if !plan.targets.iter().any(Target::is_argument) {
        return Ok(false);
    }
    let Some(qemu) = program.qemu.as_deref() else { return Ok(false) };
    match (probe::has_af_xdp(qemu, probe::PATIENCE), backend) {
        (Some(false), Backend::Direct) => Err(lacks_af_xdp(qemu)),
        (Some(false), Backend::Stream) => {
            eprintln!(
                "xsk-client: {} has no af-xdp: its netdev becomes a stream to xsk-backend",
                qemu.display()
            );
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

/// Acquires one lease, waiting while it is busy if that is wanted.
fn lease(endpoint: &Endpoint, request: &Request, wait: Option<Option<u64>>) -> Result<Lease, Error> {
    let until = wait.map(|seconds| seconds.map(|s| Instant::now() + Duration::from_secs(s)));
    let mut told = false;
    loop {
        let error = match acquire(endpoint, request) {
            Err(error) if matches!(error.kind, Kind::Refused(Code::Busy | Code::Limit)) => error,
            result => return result,
        };
        match until {
            None => return Err(error.or_hint("wait for it: xsk-client run --wait -- COMMAND...")),
            Some(Some(end)) if Instant::now() >= end => return Err(error),
            Some(_) => {}
        }
        if !told {
            eprintln!("xsk-client: waiting: {error}");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Says what the grant warns of, and what QEMU would not say.
fn warn(held: &Held, command: &[OsString]) {
    let granted = &held.lease.granted;
    let ifname = &granted.ifname;
    if !granted.mode_reason.is_empty() {
        eprintln!("xsk-client: {ifname}: mode {}: {}", granted.mode, granted.mode_reason);
    }
    for warning in &granted.warnings {
        let word = if warning.kind == WarningKind::Down { "warning (no frame will pass)" } else { "warning" };
        eprintln!("xsk-client: {ifname}: {word}: {}", warning.text);
    }
    if let Some(text) = guest::deaf(&held.target, granted, command) {
        eprintln!("xsk-client: {ifname}: warning: {text}");
    }
}

/// Puts the sockets into the command, and lets them and the leases survive the exec.
fn rewrite(mut command: Vec<OsString>, held: Vec<Held>) -> Result<Ready, Error> {
    let mut variables = Vec::new();
    for Held { target, lease, .. } in held {
        let numbers: Vec<RawFd> = lease.sockets.iter().map(AsRawFd::as_raw_fd).collect();
        let text = target.netdev().with_sockets(lease.granted.mode, &numbers);
        target.put(&text, &mut command, &mut variables);
        for fd in lease.sockets.into_iter().chain([lease.connection]) {
            survive_exec(fd).map_err(|errno| Error::system("fcntl", errno))?;
        }
    }
    Ok(Ready::Start { command, variables })
}

fn not_run(program: &std::ffi::OsStr, error: &std::io::Error) -> Failure {
    let found = error.kind() != std::io::ErrorKind::NotFound;
    let program = program.to_string_lossy();
    let message =
        if found { format!("cannot run {program}: {error}") } else { format!("{program} is not found") };
    let hint = if found { format!("ls -l {program}") } else { format!("command -v {program}; echo $PATH") };
    let error = Error::new(Kind::Usage, program, message).hint(hint);
    Failure { status: if found { NOT_RUN } else { NOT_FOUND }, error }
}
