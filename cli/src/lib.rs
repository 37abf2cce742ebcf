// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command `xsk-client`: what its command line may hold, and how it begins and ends. It is a library, so that man
//! pages and completions are made from the one definition ([`Cli::command`](clap::CommandFactory::command)).

mod doctor;
mod hotplug;
mod outcome;
mod probe;
mod run;
mod status;
mod sys;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use xsk_client::{Error, Kind};
use xsk_command::{ErrorFormat, to_json, wants_json};

use outcome::Outcome;

pub use doctor::DoctorArgs;
pub use hotplug::{AttachArgs, DetachArgs};
pub use run::{Backend, RunArgs};
pub use status::{StatusArgs, StatusFormat};

const EXAMPLES: &str = "\
Examples:
  The command that works as root works without, with a prefix:
    xsk-client run -- qemu-system-x86_64 ... -netdev af-xdp,id=n0,ifname=eth1,queues=2

  A QEMU without af-xdp, as most distributions ship it:
    xsk-client run --backend stream -- qemu-system-x86_64 ... -netdev af-xdp,id=n0,ifname=eth1

  A program that is not QEMU finds the finished option string in its environment:
    xsk-client run --acquire af-xdp,id=n0,ifname=eth1 -- sh -c 'echo $XSK_NETDEV_n0'

  What would stop all this on this machine:
    xsk-client doctor eth1

Exit status: 0 done, 64 usage, 69 the helper cannot be reached, 75 busy, 77 denied, 78 configuration.
`run` ends as its command does; 125 is our own failure, 126 and 127 mean that the command could not be run or found.";

/// AF_XDP sockets for QEMU and others, without privileges.
///
/// Asks xsk-helper for AF_XDP sockets that are already in place on an interface, and hands them to a program:
/// by starting it (run), or into a QEMU that runs (attach). The program needs no capability.
#[derive(Debug, Parser)]
#[command(name = "xsk-client", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// How errors are written to standard error: text, or one line of JSON {code, object, message, hint}.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub error_format: ErrorFormat,

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
    Status(StatusArgs),
    Doctor(DoctorArgs),
}

/// Does what the arguments say. For `run` this returns only where it failed, since it becomes the command.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&arguments, &error),
    };
    let format = cli.error_format;
    if let Command::Run(run) = cli.command {
        let failure = run::run(run);
        report(&failure.error, format);
        return ExitCode::from(failure.status);
    }
    match dispatch(cli.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report(&error, format);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Run(_) => Ok(0),
        Command::Attach(args) => hotplug::attach(&args),
        Command::Detach(args) => hotplug::detach(&args),
        Command::Status(args) => status::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    }
}

/// Writes an error: the sentence, and on a line of its own what to do next.
fn report(error: &Error, format: ErrorFormat) {
    match format {
        ErrorFormat::Json => eprintln!("{}", to_json(error)),
        ErrorFormat::Text => {
            eprintln!("xsk-client: {error}");
            if !error.hint.is_empty() {
                eprintln!("xsk-client: try: {}", error.hint);
            }
        }
    }
}

/// A command line that cannot be read: clap's words, our exit status.
fn refuse(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let ours = || arguments.iter().skip(1).take_while(|argument| *argument != "--");
    if wants_json(ours().cloned()) {
        let message = error.to_string().trim_start_matches("error: ").trim_end().to_owned();
        report(&Error::new(Kind::Usage, "arguments", message).hint("xsk-client --help"), ErrorFormat::Json);
    } else {
        let _ = error.print();
    }
    let is_run = subcommand(ours()).is_some_and(|word| word == "run");
    ExitCode::from(if is_run { run::OURS } else { Kind::Usage.exit_code() })
}

/// The one option before a subcommand that has a value.
const FORMAT: &str = "--error-format";

fn subcommand<'a>(arguments: impl Iterator<Item = &'a OsString>) -> Option<&'a OsString> {
    let mut is_value = false;
    let mut words = arguments
        .filter(|argument| !std::mem::replace(&mut is_value, *argument == FORMAT) && !is_option(argument));
    words.next()
}

fn is_option(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
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
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }

    fn status(arguments: &[&str]) -> ExitCode {
        main(arguments.iter().map(OsString::from))
    }

    #[test]
    fn bad_usage_has_its_status() {
        let same = |a: ExitCode, b: u8| assert_eq!(format!("{a:?}"), format!("{:?}", ExitCode::from(b)));
        same(status(&["xsk-client", "frobnicate"]), 64);
        same(status(&["xsk-client", "status", "--nonsense"]), 64);
        same(status(&["xsk-client", "--error-format=json", "status", "--nonsense"]), 64);
        same(status(&["xsk-client", "run"]), 125);
        same(status(&["xsk-client", "run", "--nonsense", "--", "true"]), 125);
        same(status(&["xsk-client", "--error-format", "json", "run", "--nonsense", "--", "true"]), 125);
        same(status(&["xsk-client", "--error-format", "json", "status", "--nonsense"]), 64);
    }
}
