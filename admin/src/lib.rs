// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-helper-admin`: what `xsk-helper` executes when it is given arguments. It is never setuid,
//! so an ordinary user cannot reach what it is made of, above all a parser of arguments. The
//! helper's library does the work. This crate is a library for the sake of the man page.
#![forbid(unsafe_code)]

pub mod cli;
mod edit;

use std::process::ExitCode;

use cli::Command;
use edit::Environment;
use xsk_helper::admin::{self, Report};

/// Runs the program.
#[must_use]
pub fn start() -> ExitCode {
    let environment = Environment::of_process();
    if let Err(status) = admin::enter() {
        return status;
    }
    match cli::parse() {
        Command::EditPolicy(given) => {
            admin::finish(edit::edit(given.file.as_deref(), &environment))
        }
        Command::Listen(given) => admin::run(&given.into()),
        Command::CheckPolicy(given) => {
            let print = if given.json { print_json } else { print_text };
            admin::check_policy(&given.into(), print)
        }
        Command::Reap => admin::run(&admin::Command::Reap),
        Command::Revoke(given) => admin::run(&given.into()),
    }
}

fn print_text(report: &Report) {
    print!("{report}");
}

fn print_json(report: &Report) {
    // Texts and numbers: nothing of it that JSON has no form for.
    println!("{}", serde_json::to_string_pretty(report).unwrap_or_default());
}
