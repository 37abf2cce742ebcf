// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written to standard error. A standard error that nobody reads any more ends no command.

use std::io::Write;

/// Says a sentence in the name of the program.
pub fn say(program: &str, text: &str) {
    line(&format!("{program}: {text}"));
}

/// Unlike `eprintln!` this does not panic where the other end of a pipe is closed.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
