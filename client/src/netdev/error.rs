// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a netdev option string, in QEMU's own sentences, so that nobody has to
//! look up two.
#![forbid(unsafe_code)]

use std::fmt;

/// A sentence about an option string. Where QEMU has one for the case, it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `QERR_INVALID_PARAMETER_VALUE` (include/qapi/qmp/qerror.h).
    pub(super) fn expects(key: &str, what: &str) -> Self {
        Self(format!("Parameter '{key}' expects {what}"))
    }

    /// `QERR_MISSING_PARAMETER`.
    pub(super) fn missing(key: &str) -> Self {
        Self(format!("Parameter '{key}' is missing"))
    }

    /// `input_type_enum` (qapi/qapi-visit-core.c).
    pub(super) fn enumeration(key: &str, value: &[u8]) -> Self {
        Self(format!("Parameter '{key}' does not accept value '{}'", String::from_utf8_lossy(value)))
    }

    /// `qobject_input_type_*` (qapi/qobject-input-visitor.c).
    pub(super) fn kind(key: &str, expected: &str) -> Self {
        Self(format!("Invalid parameter type for '{key}', expected: {expected}"))
    }

    /// `parse_error` (qobject/json-parser.c).
    pub(super) fn json(what: &str) -> Self {
        Self(format!("JSON parse error, {what}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
