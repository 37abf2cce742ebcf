// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong between a user and their sockets. An error has the same four parts wherever it
//! is seen (text, JSON, exit code), whether the helper refused or this side found the fault.
#![forbid(unsafe_code)]

use std::fmt;

use xsk_proto::{Code, Refused, exit};

/// Why there is no lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of thing happened.
    pub kind: Kind,
    /// What it is about: an interface, a file, an option.
    pub object: String,
    /// What happened, a sentence.
    pub message: String,
    /// What to type next; empty if there is nothing.
    pub hint: String,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The helper refused, with this code.
    Refused(Code),
    /// The command line does not make sense.
    Usage,
    /// There is no helper to talk to, or it went away.
    Unreachable,
    /// The helper's file is missing or cannot be run.
    NotInstalled,
    /// Nothing was said for too long.
    Timeout,
    /// The helper said something that this client does not understand.
    Protocol,
    /// A grant came without its descriptors, or with others.
    NoDescriptor,
    /// The sockets are for another network namespace than ours.
    Namespace,
    /// The locked-memory limit is too low for the command.
    Memlock,
    /// QEMU's machine protocol: no connection, or a command that failed.
    Qmp,
    /// A system call failed on this side.
    System,
}

impl Kind {
    /// The name that scripts see, stable. For a refusal it is the protocol's.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Refused(code) => code.name(),
            Kind::Usage => "usage",
            Kind::Unreachable => "unreachable",
            Kind::NotInstalled => "not-installed",
            Kind::Timeout => "timeout",
            Kind::Protocol => "protocol",
            Kind::NoDescriptor => "no-descriptor",
            Kind::Namespace => "namespace",
            Kind::Memlock => "memlock",
            Kind::Qmp => "qmp",
            Kind::System => "system",
        }
    }

    /// The exit status, after sysexits.h: 64 usage, 69 unreachable, 75 busy, 77 denied, 78
    /// configuration.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => exit::USAGE,
            Kind::Unreachable | Kind::Timeout | Kind::Protocol | Kind::Qmp => exit::UNREACHABLE,
            Kind::Refused(code) => code.exit_status(),
            _ => exit::CONFIGURATION,
        }
    }
}

impl Error {
    /// An error without a hint.
    pub fn new(kind: Kind, object: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, object: object.into(), message: message.into(), hint: String::new() }
    }

    /// What to type next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Sets the hint if there is none yet.
    #[must_use]
    pub fn or_hint(self, hint: &str) -> Self {
        if self.hint.is_empty() { self.hint(hint) } else { self }
    }

    /// A system call on this side failed at `step`.
    pub fn system(step: &str, error: impl Into<std::io::Error>) -> Self {
        let error = error.into();
        let new = Self::new(Kind::System, step, format!("{step}: {error}"));
        // EMFILE and ENFILE have the same numbers on every architecture of Linux.
        if matches!(error.raw_os_error(), Some(23 | 24)) {
            new.hint(crate::TABLE_HINT)
        } else {
            new
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let Refused { code, object, message, hint } = refused;
        Self { kind: Kind::Refused(code), object, message, hint }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let cases = [
            (Kind::Usage, 64),
            (Kind::Unreachable, 69),
            (Kind::Timeout, 69),
            (Kind::Refused(Code::Internal), 69),
            (Kind::Refused(Code::Busy), 75),
            (Kind::Refused(Code::Limit), 75),
            (Kind::Refused(Code::NotAllowed), 77),
            (Kind::Refused(Code::Identity), 77),
            (Kind::Refused(Code::NoSuchInterface), 78),
            (Kind::Refused(Code::Policy), 78),
            (Kind::Refused(Code::NotPrivileged), 78),
            (Kind::Memlock, 78),
            (Kind::NotInstalled, 78),
        ];
        for (kind, code) in cases {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
        for code in Code::ALL {
            assert!([69, 75, 77, 78].contains(&Kind::Refused(code).exit_code()), "{code}");
        }
    }
}
