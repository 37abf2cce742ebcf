// SPDX-License-Identifier: MIT OR Apache-2.0
//! How errors are written.
#![forbid(unsafe_code)]

use std::ffi::OsString;

use clap::ValueEnum;
use serde::Serialize;
use xsk_client::Error;

/// How errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ErrorFormat {
    /// Lines for people.
    Text,
    /// One line of JSON.
    Json,
}

/// Returns whether a command line that could not be read asks for errors as JSON.
pub fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<_> = arguments.collect();
    let joined = arguments.iter().any(|argument| argument == "--error-format=json");
    joined || arguments.windows(2).any(|pair| pair[0] == "--error-format" && pair[1] == "json")
}

/// `{code, object, message, hint}`, for `--error-format=json`.
pub fn to_json(error: &Error) -> String {
    #[derive(Serialize)]
    struct Json<'a> {
        code: &'a str,
        object: &'a str,
        message: &'a str,
        hint: &'a str,
    }
    let Error { kind, object, message, hint } = error;
    serde_json::to_string(&Json { code: kind.name(), object, message, hint }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_client::Kind;
    use xsk_client::proto::Code;

    #[test]
    fn json_has_four_members() {
        let error = Error::new(Kind::Refused(Code::Busy), "eth1", "queue 0 is \"taken\"").hint("wait");
        assert_eq!(
            to_json(&error),
            r#"{"code":"busy","object":"eth1","message":"queue 0 is \"taken\"","hint":"wait"}"#
        );
    }
}
