// SPDX-License-Identifier: MIT OR Apache-2.0
//! One error: a stable code, the object it is about, a sentence and a hint; and the exit status of each code.
#![forbid(unsafe_code)]

use std::fmt;

use serde::Serialize;

/// What kind of failure it is, by the exit status that a script sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 1: anything else.
    Other = 1,
    /// 64: the command line.
    Usage = 64,
    /// 69: the helper cannot be reached.
    Unreachable = 69,
    /// 75: busy; the same may work later.
    Busy = 75,
    /// 77: denied.
    Denied = 77,
    /// 78: the configuration of this machine.
    Configuration = 78,
}

/// Why the backend ended other than by request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Error {
    /// A stable word for programs.
    pub code: String,
    /// What it is about: an interface and queue, an option, a file.
    pub object: String,
    /// What happened.
    pub message: String,
    /// What to do; empty where the message says it.
    pub hint: String,
    /// The exit status.
    #[serde(skip)]
    pub exit: Exit,
}

impl Error {
    /// An error without a hint.
    pub fn new(exit: Exit, code: &str, object: impl Into<String>, message: impl Into<String>) -> Self {
        let (object, message) = (object.into(), message.into());
        Self { code: code.to_owned(), object, message, hint: String::new(), exit }
    }

    /// Something is wrong with the command line.
    pub fn usage(object: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", object, message)
    }

    /// A system call failed on `object`.
    pub fn io(object: impl Into<String>, step: &str, error: impl Into<std::io::Error>) -> Self {
        Self::new(Exit::Other, "system", object, format!("cannot {step}: {}", error.into()))
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// `{code, object, message, hint}`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A failure of a socket, with the code and the exit status that belong to it.
    pub fn socket(object: impl Into<String>, error: &xsk_socket::Error) -> Self {
        use xsk_socket::Error as Cause;
        let (exit, code) = match error {
            Cause::Busy { .. } => (Exit::Busy, "busy"),
            Cause::Denied { .. } | Cause::Unprivileged => (Exit::Denied, "denied"),
            Cause::Memlock { .. } => (Exit::Configuration, "memlock"),
            Cause::NoKernelSupport => (Exit::Configuration, "kernel-too-old"),
            Cause::Down(_) => (Exit::Configuration, "interface-down"),
            Cause::NoInterface(_) => (Exit::Configuration, "no-such-interface"),
            Cause::Invalid { .. } => (Exit::Configuration, "queue-range"),
            Cause::NotXdp(_) | Cause::InUse => (Exit::Usage, "bad-descriptor"),
            Cause::Config(_) => (Exit::Usage, "usage"),
            Cause::Gone(_) => (Exit::Other, "interface-gone"),
            _ => (Exit::Other, "system"),
        };
        Self::new(exit, code, object, error.to_string())
    }
}

impl From<xsk_client::Error> for Error {
    fn from(error: xsk_client::Error) -> Self {
        let exit = match error.kind.exit_code() {
            64 => Exit::Usage,
            69 => Exit::Unreachable,
            75 => Exit::Busy,
            77 => Exit::Denied,
            78 => Exit::Configuration,
            _ => Exit::Other,
        };
        let code = error.kind.name().to_owned();
        Self { code, object: error.object, message: error.message, hint: error.hint, exit }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
