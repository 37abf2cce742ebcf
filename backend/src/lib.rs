// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rootless AF_XDP network backend with the options of QEMU.
//!
//! The command is [`cli::Cli`], and [`main`] is all of it. Its parts: [`source`] gets the sockets,
//! inherited or from `xsk-helper`; [`setup`] gives them memory, binds them, and gives each queue a
//! [`peers::Peer`]; [`queue`] is the loop of one queue; [`run`] watches over all; [`report`]
//! prints; [`checksum`] completes what a sender left undone.

pub mod checksum;
pub mod cli;
mod control;
mod counters;
pub mod cpus;
mod error;
mod held_lease;
mod length;
pub mod life;
mod lockdown;
mod lost;
mod netdev_file;
pub mod peer_spec;
pub mod peers;
mod queue;
mod report;
mod run;
mod segment;
mod setup;
mod signals;
mod source;
mod supervise;
mod sys;
mod turn;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use xsk_command::refuse;

use cli::Cli;
use error::PROGRAM;

pub use control::Control;
pub use counters::{Counters, Moved, Snapshot};
pub use error::{Error, OTHER};
pub use queue::Queue;

/// The command, from the process's arguments to its exit status.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(refuse(PROGRAM, &error, &arguments)),
    };
    cli.notices.apply();
    let done = match cli.life.supervise {
        true => supervise::run(&cli, arguments.get(1..).unwrap_or_default()),
        false => run::run(&cli).map(|()| 0),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            error.report(PROGRAM, cli.errors.error_format);
            ExitCode::from(error.status)
        }
    }
}
