// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a process that has nothing to serve says so: a line on standard error and an exit status of
//! sysexits.h.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

/// EX_CONFIG: the program is not set up right.
pub(crate) const CONFIGURATION: u8 = 78;
/// EX_NOPERM: the caller may not do this.
pub(crate) const DENIED: u8 = 77;
/// EX_USAGE: the program was started in a way that it does not understand.
pub(crate) const USAGE: u8 = 64;
/// The answer to an ordinary user's arguments.
pub(crate) const NOT_FOR_YOU: &str =
    "only root and the service user may give it arguments, and not by pkexec";
/// How long standard error may take a sentence.
const PATIENCE_SECONDS: u32 = 5;

/// Prints the sentence and returns the status. A caller that never empties the pipe it gave as
/// standard error does not keep the process: an alarm ends it.
pub(crate) fn fail(status: u8, message: &str) -> ExitCode {
    nix::unistd::alarm::set(PATIENCE_SECONDS);
    // Unlike eprintln!, this does not panic where standard error is closed.
    let _ = writeln!(std::io::stderr(), "xsk-helper: {message}");
    ExitCode::from(status)
}
