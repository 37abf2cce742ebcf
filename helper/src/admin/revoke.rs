// SPDX-License-Identifier: MIT OR Apache-2.0
//! `revoke`, for root at a shell.

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use nix::fcntl::OFlag;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{getuid, pipe2};
use xsk_proto::exit;

use super::kill::{self, Target};
use super::{Revoke, finish, revoke_report};
use crate::error::{CommandFault, Failure};
use crate::netns;
use crate::policy::Names;
use crate::policy::system::System;
use crate::revoke::{self, Choice, Revoked};
use crate::service_process::as_service;
use crate::sys::process::{self, Fork};

/// Ends the leases; with `kill` the processes that hold their sockets too. Looking into other
/// users' processes takes what root has and the service user gives up, so a process that stays root
/// does that after this one is done.
pub(super) fn by_command(arguments: &Revoke) -> ExitCode {
    if !arguments.kill {
        return done(end(arguments));
    }
    match ended_by_child(arguments) {
        Ok(Side::Child(status)) => status,
        Ok(Side::Parent { status, targets }) => match kill::end(&targets) {
            Ok(true) => ExitCode::from(status),
            Ok(false) => ExitCode::from(exit::BUSY),
            Err(failure) => finish(Err(failure)),
        },
        Err(failure) => finish(Err(failure)),
    }
}

/// Which process goes on.
enum Side {
    Child(ExitCode),
    Parent { status: u8, targets: Vec<Target> },
}

/// Has a child end the leases, and returns in both processes.
fn ended_by_child(arguments: &Revoke) -> Result<Side, Failure> {
    if !getuid().is_root() {
        return Err(CommandFault::KillByRoot.into());
    }
    let (reader, writer) =
        pipe2(OFlag::O_CLOEXEC).map_err(|error| Failure::sys("making a pipe", error))?;
    match process::fork().map_err(|error| Failure::sys("forking", error))? {
        Fork::Child => {
            drop(reader);
            let revoked = end(arguments);
            if let Ok(revoked) = &revoked {
                let lines: String = targets(revoked).iter().map(Target::line).collect();
                // Without its reader there is nobody to tell.
                let _ = File::from(writer).write_all(lines.as_bytes());
            }
            Ok(Side::Child(done(revoked)))
        }
        Fork::Parent => {
            drop(writer);
            let text = io::read_to_string(File::from(reader));
            let text = text.map_err(|error| Failure::sys("reading what was revoked", error))?;
            let status = match wait() {
                Ok(WaitStatus::Exited(_, status)) => status as u8,
                _ => exit::UNREACHABLE,
            };
            Ok(Side::Parent { status, targets: text.lines().filter_map(Target::parse).collect() })
        }
    }
}

fn end(arguments: &Revoke) -> Result<Revoked, Failure> {
    let uid = arguments.user.as_deref().map(user).transpose()?;
    as_service()?;
    let interface =
        revoke::interface(arguments.ifname.as_deref().unwrap_or_default(), netns::own()?)?;
    let choice = Choice { interface, queue: arguments.queue, uid, lease: arguments.lease };
    let revoked = revoke::end(choice)?;
    revoke_report::lines(&revoked).iter().for_each(|line| println!("{line}"));
    Ok(revoked)
}

/// The exit status: a revoke that found nothing to end has one of its own.
fn done(revoked: Result<Revoked, Failure>) -> ExitCode {
    match revoked {
        Ok(revoked) if revoked.is_nothing() => {
            let hint = "see what is leased: xsk-client status, as root";
            eprintln!("{}", exit::error_text("xsk-helper", "no lease matches", hint));
            ExitCode::from(exit::NO_MATCH)
        }
        Ok(revoked) => finish(revoked.proven().map(drop)),
        Err(failure) => finish(Err(failure)),
    }
}

/// The sockets of the leases that were ended, as far as their keepers wrote them down.
fn targets(revoked: &Revoked) -> Vec<Target> {
    let known = revoked.leases.iter().filter_map(|lease| Some((lease, revoked.about(lease)?)));
    let mut targets = Vec::new();
    for (lease, about) in known {
        targets.extend(lease.queues.iter().zip(&about.sockets).map(|(queue, inode)| Target {
            uid: lease.uid,
            inode: *inode,
            queue: *queue,
            ifname: about.ifname.clone(),
        }));
    }
    targets
}

/// The uid of a name or a number.
fn user(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = System.user(name).map_err(|error| CommandFault::unanswered(name, &error))?;
    found.ok_or_else(|| CommandFault::NoHolder { name: name.to_owned() }.into())
}
