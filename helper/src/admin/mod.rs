// SPDX-License-Identifier: MIT OR Apache-2.0
//! What root does with arguments. Each command becomes the service user too, as far as its work allows.

mod check_policy;
mod reap;
pub(crate) mod revoke;

use std::process::ExitCode;

use crate::audit;
use crate::cli::Command;
use crate::error::Failure;
use crate::grant::guard;
use crate::isolation;
use crate::isolation::service::{self, ServiceUser};
use crate::listen;
use xsk_proto::exit;

/// Runs a command.
pub(crate) fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Listen(arguments) => listen::listen(&arguments),
        Command::CheckPolicy(arguments) => check_policy::check(&arguments),
        Command::Reap => as_service().and_then(|()| reap::reap()),
        Command::Revoke(arguments) => revoke::by_command(&arguments),
    };
    audit::finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let refused = failure.refused();
            eprintln!("{}", exit::error_text("xsk-helper", &refused.message, &refused.hint));
            ExitCode::from(failure.code().exit_status())
        }
    }
}

/// The folders, and then the service user with its few capabilities.
pub(crate) fn as_service() -> Result<(), Failure> {
    isolation::prepare_folders()?;
    service::enter(ServiceUser::find()?)?;
    audit::open(None);
    guard::prepare()
}
