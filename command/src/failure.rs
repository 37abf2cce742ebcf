// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a command failed: the same four things as text and as JSON, and the exit status.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::Serialize;
use xsk_proto::{Refused, exit};

use crate::notice;

/// How errors are written.
#[derive(Debug, Clone, Copy, Args)]
pub struct ErrorArgs {
    /// How errors are written to standard error: text, or one line of JSON {code, object, message,
    /// hint}.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub error_format: ErrorFormat,
}

/// How errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ErrorFormat {
    /// Lines for people.
    Text,
    /// One line of JSON.
    Json,
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A stable word for scripts.
    pub code: String,
    /// What it is about: an interface, a file, an option.
    pub object: String,
    /// What happened, a sentence.
    pub message: String,
    /// What to type next; empty if there is nothing.
    pub hint: String,
    /// The exit status.
    #[serde(skip)]
    pub status: u8,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(
        status: u8,
        code: &str,
        object: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (object, message) = (object.into(), message.into());
        Self { code: code.to_owned(), object, message, hint: String::new(), status }
    }

    /// The command line does not make sense.
    pub fn usage(object: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, "usage", object, message)
    }

    /// What to type next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Writes it to standard error.
    pub fn report(&self, program: &str, format: ErrorFormat) {
        notice::line(&match format {
            ErrorFormat::Json => self.to_json(),
            ErrorFormat::Text => exit::error_text(program, &self.message, &self.hint),
        });
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<&Refused> for Failure {
    fn from(refused: &Refused) -> Self {
        let Refused { code, object, message, hint } = refused.clone();
        Self { code: code.name().into(), object, message, hint, status: code.exit_status() }
    }
}

#[cfg(feature = "client")]
impl From<xsk_client::Error> for Failure {
    fn from(error: xsk_client::Error) -> Self {
        let status = error.kind.exit_code();
        let xsk_client::Error { kind, object, message, hint } = error;
        Self { code: kind.name().into(), object, message, hint, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_proto::Code;

    #[test]
    fn json_has_four_members() {
        let (object, message, hint) = ("eth1".into(), "queue 0 is \"taken\"".into(), "wait".into());
        let failure = Failure::from(&Refused { code: Code::Busy, object, message, hint });
        assert_eq!(failure.status, 75);
        assert_eq!(
            failure.to_json(),
            r#"{"code":"busy","object":"eth1","message":"queue 0 is \"taken\"","hint":"wait"}"#
        );
    }
}
