// SPDX-License-Identifier: MIT OR Apache-2.0
//! One error for everything that can go wrong, in the form in which it reaches the client, the log and a shell.
#![forbid(unsafe_code)]

use std::fmt::{self, Display};

use xsk_proto::{Code, Refused};

/// What went wrong, with which object, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<Refused>);

impl Failure {
    /// A failure about `object`.
    pub fn new(code: Code, object: impl Into<String>, message: impl Into<String>) -> Self {
        let (object, message) = (object.into(), message.into());
        Self(Box::new(Refused { code, object, message, hint: String::new() }))
    }

    /// A system call that should not have failed.
    pub(crate) fn internal(step: &str, error: impl Display) -> Self {
        let message = format!("{step}: {error}");
        // EMFILE and ENFILE in the C library's words: nothing is broken, and the next request may find room.
        if message.contains("Too many open files") {
            return Self::new(Code::Busy, "xsk-helper", message)
                .hint("the helper has no descriptor left: try again, or raise LimitNOFILE= of the helper");
        }
        Self::new(Code::Internal, "xsk-helper", message)
            .hint("see the helper's log: journalctl -t xsk-helper")
    }

    /// One refusal for every way in which a kernel shows that it is older than all that can work.
    pub(crate) fn too_old(lacks: &str) -> Self {
        Self::new(
            Code::KernelTooOld,
            "kernel",
            format!("Linux 5.10 or later is needed, and this kernel {lacks}"),
        )
        .hint("use Linux 6.1 or later, which has everything; what 5.10 lacks is in docs/operations.md")
    }

    /// What to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// What it is about.
    pub(crate) fn object(mut self, object: impl Into<String>) -> Self {
        self.0.object = object.into();
        self
    }

    /// The stable code.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// As it goes over the wire.
    pub(crate) fn refused(&self) -> &Refused {
        &self.0
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if self.0.hint.is_empty() { Ok(()) } else { write!(f, "\n  hint: {}", self.0.hint) }
    }
}

impl std::error::Error for Failure {}
