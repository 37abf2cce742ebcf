// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a netdev option string, in QEMU's own sentences, so that nobody has to
//! look up two.
#![forbid(unsafe_code)]

use std::fmt;

use super::SYNTAX;
use crate::similar;

/// A sentence about an option string. Where QEMU has one for the case, it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    text: String,
    /// The word that was meant, where one is like what was written.
    meant: Option<String>,
}

impl Error {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), meant: None }
    }

    /// The same, with a known word in mind that is like this one.
    pub(super) fn meant<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { meant: similar(word, known).map(str::to_owned), ..self }
    }

    /// The same about what stands in `place`.
    pub(super) fn within(self, place: &str) -> Self {
        Self { text: format!("{place}: {}", self.text), ..self }
    }

    /// Returns whether it is about a word that is like a known one.
    pub(super) fn is_typo(&self) -> bool {
        self.meant.is_some()
    }

    /// What to type next: the word that was meant, or else all options.
    pub fn hint(&self) -> String {
        self.meant
            .as_ref()
            .map_or_else(|| SYNTAX.to_owned(), |word| format!("did you mean {word}?"))
    }

    /// `QERR_INVALID_PARAMETER_VALUE` (include/qapi/qmp/qerror.h).
    pub(super) fn expects(key: &str, what: &str) -> Self {
        Self::new(format!("Parameter '{key}' expects {what}"))
    }

    /// `QERR_MISSING_PARAMETER`.
    pub(super) fn missing(key: &str) -> Self {
        Self::new(format!("Parameter '{key}' is missing"))
    }

    /// `input_type_enum` (qapi/qapi-visit-core.c).
    pub(super) fn enumeration(key: &str, value: &str, known: &[&str]) -> Self {
        let error = Self::new(format!("Parameter '{key}' does not accept value '{value}'"));
        error.meant(value, known.iter().copied())
    }

    /// `qobject_input_type_*` (qapi/qobject-input-visitor.c).
    pub(super) fn kind(key: &str, expected: &str) -> Self {
        Self::new(format!("Invalid parameter type for '{key}', expected: {expected}"))
    }

    /// `parse_error` (qobject/json-parser.c).
    pub(super) fn json(what: &str) -> Self {
        Self::new(format!("JSON parse error, {what}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
