// SPDX-License-Identifier: MIT OR Apache-2.0
//! A command line that cannot be read: clap's words in the layout of every other error.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::{ErrorFormat, Failure};

/// Prints what was asked for where that is help or the version; else reports the error, and returns
/// its status.
pub fn refuse(program: &str, error: &clap::Error, arguments: &[OsString]) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return 0;
    }
    let failure = failure(program, &error.render().to_string());
    failure.report(program, wanted(arguments));
    failure.status
}

/// The error in what clap would print: a sentence, perhaps with a list below it; tips, of which a
/// similar word is worth a hint; the usage.
fn failure(program: &str, text: &str) -> Failure {
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let message = lines.join(" ").trim_start_matches("error: ").to_owned();
    let similar = |paragraph: &&str| paragraph.contains("similar");
    let tip = paragraphs.clone().filter(similar).find_map(|tip| tip.trim().strip_prefix("tip: "));
    let usage = paragraphs.find_map(|paragraph| paragraph.strip_prefix("Usage: "));
    let hint = tip.map_or_else(|| format!("{} --help", usage.map_or(program, named)), one_line);
    Failure::usage("arguments", message).hint(hint)
}

/// The program and its subcommand in a usage.
fn named(usage: &str) -> &str {
    let end = usage.find([' ', '\n']).and_then(|first| {
        let rest = usage.get(first + 1..)?;
        let word = rest.split([' ', '\n']).next()?;
        word.starts_with(|c: char| c.is_ascii_lowercase()).then_some(first + 1 + word.len())
    });
    let end = end.or_else(|| usage.find([' ', '\n'])).unwrap_or(usage.len());
    usage.get(..end).unwrap_or(usage)
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The form of errors that a command line asks for which could not be read. What comes after `--`
/// is not ours.
fn wanted(arguments: &[OsString]) -> ErrorFormat {
    let ours: Vec<_> = arguments.iter().take_while(|argument| *argument != "--").collect();
    let joined = ours.iter().any(|argument| *argument == "--error-format=json");
    let json =
        joined || ours.windows(2).any(|pair| pair[0] == "--error-format" && pair[1] == "json");
    if json { ErrorFormat::Json } else { ErrorFormat::Text }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn said(arguments: &[&str]) -> (String, String) {
        let sub = Command::new("status").arg(Arg::new("socket").long("socket").required(true));
        let command = Command::new("prog").subcommand_required(true).subcommand(sub);
        let error = command.try_get_matches_from(arguments).unwrap_err();
        let Failure { message, hint, .. } = failure("prog", &error.render().to_string());
        (message, hint)
    }

    #[test]
    fn clap_is_quoted_in_two_lines() {
        let cases = [
            (
                &["prog", "stat"][..],
                "unrecognized subcommand 'stat'",
                "a similar subcommand exists: 'status'",
            ),
            (&["prog", "frobnicate"], "unrecognized subcommand 'frobnicate'", "prog --help"),
            (&["prog", "status", "--x"], "unexpected argument '--x' found", "prog status --help"),
            (
                &["prog", "status"],
                "the following required arguments were not provided: --socket <socket>",
                "prog status --help",
            ),
        ];
        for (arguments, message, hint) in cases {
            assert_eq!(said(arguments), (message.into(), hint.into()));
        }
    }

    #[test]
    fn the_form_is_looked_for_in_our_own_words() {
        let wanted = |words: &[&str]| wanted(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(wanted(&["p", "--error-format=json", "x"]), ErrorFormat::Json);
        assert_eq!(wanted(&["p", "--error-format", "json"]), ErrorFormat::Json);
        assert_eq!(wanted(&["p", "run", "--", "--error-format=json"]), ErrorFormat::Text);
    }
}
