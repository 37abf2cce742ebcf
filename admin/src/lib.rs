// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-helper-admin`: what `xsk-helper` executes where it is given arguments. It is never setuid, so what it is made of,
//! a parser of arguments above all, is nothing that an ordinary user can reach. The work itself is the helper's
//! library's; a library this is for the man page.
#![forbid(unsafe_code)]

pub mod cli;

use std::process::ExitCode;

use xsk_helper::admin;

/// Runs the program.
#[must_use]
pub fn start() -> ExitCode {
    match admin::enter() {
        Ok(()) => admin::run(&cli::parse().into()),
        Err(status) => status,
    }
}
