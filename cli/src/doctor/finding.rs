// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a check found.
#![forbid(unsafe_code)]

use xsk_client::{Error, Kind};

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    /// Works, and is worth knowing.
    Note,
    /// Does not work.
    Fail(Kind),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) message: String,
    pub(crate) mend: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Ok, message: message.into(), mend: String::new() }
    }

    pub(super) fn note(
        check: &'static str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Note, message: message.into(), mend: mend.into() }
    }

    pub(super) fn fail(
        check: &'static str,
        kind: Kind,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Fail(kind), message: message.into(), mend: mend.into() }
    }

    pub(super) fn of(check: &'static str, error: Error) -> Self {
        Self::fail(check, error.kind, error.message, error.hint)
    }

    pub(super) fn is_refused_as(&self, other: &Self) -> bool {
        matches!(self.state, State::Fail(Kind::Refused(_))) && self.state == other.state
    }

    pub(super) fn word(&self) -> &'static str {
        match self.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Fail(_) => "FAIL",
        }
    }
}
