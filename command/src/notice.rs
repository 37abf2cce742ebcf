// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written to standard error. A standard error that nobody reads any more ends no command.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::Args;

/// Whether only errors are written.
static QUIET: AtomicBool = AtomicBool::new(false);

/// How much is written beside errors.
#[derive(Debug, Clone, Copy, Args)]
pub struct NoticeArgs {
    /// Write errors alone to standard error: no warnings, and nothing about a wait.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl NoticeArgs {
    /// From now on it holds for the whole program.
    pub fn apply(self) {
        QUIET.store(self.quiet, Relaxed);
    }
}

/// Returns whether only errors are written.
pub fn is_quiet() -> bool {
    QUIET.load(Relaxed)
}

/// Says a sentence in the name of the program, unless that is to be quiet.
pub fn say(program: &str, text: &str) {
    if !is_quiet() {
        line(&format!("{program}: {text}"));
    }
}

/// Unlike `eprintln!` this does not panic where the other end of a pipe is closed.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
