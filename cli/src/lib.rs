// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command `xsk-client`: what its command line may hold, and how it begins and ends. It is a
//! library, so that man pages and completions are made from the one definition
//! ([`Cli::command`](clap::CommandFactory::command)).

mod arrive;
mod columns;
mod device;
mod doctor;
mod hotplug;
mod kernel;
mod list;
mod nic;
mod outcome;
mod programs;
mod qemu;
mod run;
mod status;
mod sys;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xsk_command::{ErrorArgs, NoticeArgs, refuse};
use xsk_proto::exit;

use outcome::{Outcome, PROGRAM};

pub use device::{AddArgs, DeviceArgs, DeviceCommand};
pub use doctor::DoctorArgs;
pub use hotplug::{AttachArgs, DetachArgs};
pub use list::ListArgs;
pub use run::{Backend, RunArgs};
pub use status::{StatusArgs, StatusFormat};

const EXAMPLES: &str = "\
Examples:
  Put a prefix in front of the command that works as root:
    xsk-client run --mac=interface -- qemu-system-x86_64 ... -netdev af-xdp,id=n0,ifname=eth1 -device virtio-net-pci,netdev=n0

  A program that is not QEMU finds the finished option string in its environment:
    xsk-client run --acquire af-xdp,id=n0,ifname=eth1 -- sh -c 'echo $XSK_NETDEV_n0'

  See what is missing on this machine:
    xsk-client doctor eth1

Exit status: 0 done, 64 usage, 69 the helper cannot be reached, 75 busy, 77 denied, 78 configuration.
`run` ends as its command does; 125 is a failure of its own, 126 and 127 mean that the command
could not be run or found.";

/// AF_XDP sockets for QEMU and others, without privileges.
///
/// Asks xsk-helper for AF_XDP sockets that are already in place on an interface, and gives them to
/// a program: by starting it (run), or to a running QEMU (attach). The program needs no capability.
#[derive(Debug, Parser)]
#[command(name = "xsk-client", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// How errors are written.
    #[command(flatten)]
    pub errors: ErrorArgs,

    /// How much is written beside errors.
    #[command(flatten)]
    pub notices: NoticeArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(
    missing_docs,
    reason = "a comment here would replace that of the arguments, and with it the long help"
)]
pub enum Command {
    Run(RunArgs),
    Attach(AttachArgs),
    Detach(DetachArgs),
    List(ListArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Device(DeviceArgs),
}

/// Does what the arguments say. For `run` this returns only where it failed, since it becomes the
/// command.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => ExitCode::from(end(cli)),
        Err(error) => ExitCode::from(refused(&error, &arguments)),
    }
}

/// The status with which a command ends that could be read.
fn end(cli: Cli) -> u8 {
    let format = cli.errors.error_format;
    cli.notices.apply();
    dispatch(cli.command).unwrap_or_else(|failure| {
        failure.report(PROGRAM, format);
        failure.status
    })
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Attach(args) => hotplug::attach(&args),
        Command::Detach(args) => hotplug::detach(&args),
        Command::List(args) => list::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Device(args) => device::run(&args),
    }
}

/// A command line that cannot be read. Of `run` it is a failure of ours, not of the command.
fn refused(error: &clap::Error, arguments: &[OsString]) -> u8 {
    match refuse(PROGRAM, error, arguments) {
        exit::USAGE if is_run(arguments) => run::OURS,
        status => status,
    }
}

/// The one option before a subcommand that has a value.
const FORMAT: &str = "--error-format";

/// Returns whether the first word that is neither an option nor the value of one is `run`.
fn is_run(arguments: &[OsString]) -> bool {
    let mut is_value = false;
    let is_option = |argument: &OsStr| argument.as_encoded_bytes().starts_with(b"-");
    let mut words = arguments
        .iter()
        .skip(1)
        .filter(|word| !std::mem::replace(&mut is_value, *word == FORMAT) && !is_option(word));
    words.next().is_some_and(|word| word == "run")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_subcommand_explains_itself() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            assert!(command.get_long_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }

    fn status(arguments: &[&str]) -> ExitCode {
        main(arguments.iter().map(OsString::from))
    }

    #[test]
    fn bad_usage_has_its_status() {
        let same =
            |a: ExitCode, b: u8| assert_eq!(format!("{a:?}"), format!("{:?}", ExitCode::from(b)));
        same(status(&["xsk-client", "frobnicate"]), 64);
        same(status(&["xsk-client", "status", "--nonsense"]), 64);
        same(status(&["xsk-client", "--error-format=json", "status", "--nonsense"]), 64);
        same(status(&["xsk-client", "run"]), 125);
        same(status(&["xsk-client", "run", "--nonsense", "--", "true"]), 125);
        same(
            status(&["xsk-client", "--error-format", "json", "run", "--nonsense", "--", "true"]),
            125,
        );
        same(status(&["xsk-client", "--error-format", "json", "status", "--nonsense"]), 64);
    }
}
