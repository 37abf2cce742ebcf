// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `xsk-helper-admin` does for root. Each command becomes the service user, as far as its work
//! allows.

mod arguments;
mod check_policy;
mod holders;
mod kill;
mod listen;
mod reap;
mod revoke;
mod revoke_report;
mod stale;

use std::process::ExitCode;

use crate::audit;
use crate::exit::{CONFIGURATION, DENIED, NOT_FOR_YOU, fail};
use crate::isolation::entry;
use crate::service_process::as_service;
pub use arguments::{CheckPolicy, Command, Listen, Revoke, Subject};
pub use check_policy::{Report, check_draft};
use xsk_proto::{Refused, exit};

/// The first stage of a program that takes arguments.
///
/// # Errors
/// The exit code for a caller that may not give arguments, or for a process that cannot be
/// prepared.
pub fn enter() -> Result<(), ExitCode> {
    match entry::enter() {
        Ok(origin) if origin.may_command() => Ok(()),
        Ok(_) => Err(fail(DENIED, NOT_FOR_YOU)),
        Err(failure) => Err(fail(CONFIGURATION, &failure.to_string())),
    }
}

/// Runs a command.
pub fn run(command: &Command) -> ExitCode {
    let result = match command {
        Command::Listen(arguments) => listen::listen(arguments),
        Command::Reap => as_service().and_then(|()| reap::reap()),
        Command::Revoke(arguments) => return revoke_and_log(arguments),
    };
    audit::finish();
    finish(result)
}

fn revoke_and_log(arguments: &Revoke) -> ExitCode {
    let status = revoke::by_command(arguments);
    audit::finish();
    status
}

/// Reads the policy and says what is wrong with it, or what it grants a user: `print` writes the
/// report.
pub fn check_policy(arguments: &CheckPolicy, print: impl FnOnce(&Report)) -> ExitCode {
    finish(check_policy::check(arguments).and_then(|report| {
        print(&report);
        report.into_result()
    }))
}

/// Says how a command went.
pub fn finish(result: Result<(), impl Into<Refused>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let refused: Refused = failure.into();
            eprintln!("{}", exit::error_text("xsk-helper", &refused.message, &refused.hint));
            ExitCode::from(refused.code.exit_status())
        }
    }
}
