// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can fail in a backend: in the form that all commands share, each with its stable code and
//! exit status.
#![forbid(unsafe_code)]

use std::io;

use xsk_client::proto::exit;

pub use xsk_command::Failure as Error;

/// The name under which this program speaks.
pub(crate) const PROGRAM: &str = "xsk-backend";

/// The exit status where the backend ran and something ended it: the interface went away, or a
/// system call failed that should not.
pub const OTHER: u8 = 1;

/// Something is wrong with the option `object`.
pub(crate) fn usage(object: &str, message: &str) -> Error {
    Error::usage(object, format!("{object}: {message}"))
}

/// A system call failed on `object`, or on nothing in particular.
pub(crate) fn io(object: &str, step: &str, error: impl Into<io::Error>) -> Error {
    let about = if object.is_empty() { String::new() } else { format!("{object}: ") };
    Error::new(OTHER, "system", object, format!("{about}cannot {step}: {}", error.into()))
}

/// A failure of the socket `object`.
pub(crate) fn socket(object: &str, error: &xsk_socket::Error) -> Error {
    use xsk_socket::Error as Cause;
    let (status, code) = match error {
        Cause::Busy { .. } => (exit::BUSY, "busy"),
        Cause::Denied { .. } | Cause::Unprivileged => (exit::DENIED, "denied"),
        Cause::Memlock { .. } => (exit::CONFIGURATION, "memlock"),
        Cause::NoKernelSupport => (exit::CONFIGURATION, "kernel-too-old"),
        Cause::Down(_) => (exit::CONFIGURATION, "interface-down"),
        Cause::NoInterface(_) => (exit::CONFIGURATION, "no-such-interface"),
        Cause::Invalid { .. } => (exit::CONFIGURATION, "queue-range"),
        Cause::NotXdp(_) | Cause::InUse => (exit::USAGE, "bad-descriptor"),
        Cause::Config(_) => (exit::USAGE, "usage"),
        Cause::Gone(_) => (OTHER, "interface-gone"),
        _ => (OTHER, "system"),
    };
    Error::new(status, code, object, format!("{object}: {error}"))
}
