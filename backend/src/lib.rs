// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rootless AF_XDP network backend with the options of QEMU.
//!
//! The command is [`cli::Cli`], and [`main`] is all of it. Its parts: [`source`] gets the sockets, inherited or from
//! `xsk-helper`; [`setup`] gives them memory, binds them, and gives each queue a [`peers::Peer`]; [`queue`] is the loop
//! of one queue; [`run`] watches over all; [`report`] prints; [`checksum`] completes what a sender left undone.

pub mod checksum;
pub mod cli;
mod control;
mod counters;
mod error;
mod lost;
mod netlink;
pub mod peer_spec;
pub mod peers;
mod queue;
mod report;
mod run;
mod setup;
mod signals;
mod source;
mod sys;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

pub use control::Control;
pub use counters::{Counters, Moved, Snapshot};
pub use error::{Error, Exit};
pub use queue::Queue;

use cli::{Cli, ErrorFormat};

/// The command, from the process's arguments to its exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match run::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match cli.error_format {
                ErrorFormat::Text => eprintln!("xsk-backend: {error}"),
                ErrorFormat::Json => eprintln!("{}", error.to_json()),
            }
            ExitCode::from(error.exit as u8)
        }
    }
}

/// Help and version are no failures; anything else is the command line's fault.
fn refuse(error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked && xsk_command::wants_json(std::env::args_os()) {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        eprintln!("{}", Error::usage("", message).hint("xsk-backend --help").to_json());
    } else {
        // There is nobody to tell when standard error is closed.
        let _ = error.print();
    }
    if asked { ExitCode::SUCCESS } else { ExitCode::from(Exit::Usage as u8) }
}
