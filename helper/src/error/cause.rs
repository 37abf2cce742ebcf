// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a system call failed.
#![forbid(unsafe_code)]

use std::{fmt, io};

use nix::errno::Errno;

/// Why a system call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// By the kernel's own word.
    Errno(i32),
    /// By what a library or this program says.
    Text(String),
}

impl Cause {
    pub(super) fn errno(&self) -> Option<i32> {
        match self {
            Cause::Errno(errno) => Some(*errno),
            Cause::Text(_) => None,
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or_else(|| Cause::Text(error.to_string()), Cause::Errno)
    }
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Self {
        Cause::Errno(errno as i32)
    }
}

impl From<caps::errors::CapsError> for Cause {
    fn from(error: caps::errors::CapsError) -> Self {
        Cause::Text(error.to_string())
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        Cause::Text(text.to_owned())
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Cause::Text(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Errno(errno) => write!(f, "{}", io::Error::from_raw_os_error(*errno)),
            Cause::Text(text) => f.write_str(text),
        }
    }
}
