// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a command of the project says that it failed: the exit status of each code, after
//! sysexits.h, and the one layout of an error. It is here because every command, the privileged one
//! too, knows this crate.

use crate::Code;

/// The command line does not make sense (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// Nothing matches what was to be ended (`EX_NOINPUT`).
pub const NO_MATCH: u8 = 66;
/// The helper, or QEMU's QMP, cannot be reached, does not answer, or failed itself
/// (`EX_UNAVAILABLE`).
pub const UNREACHABLE: u8 = 69;
/// Busy: the same may work later (`EX_TEMPFAIL`).
pub const BUSY: u8 = 75;
/// Denied (`EX_NOPERM`).
pub const DENIED: u8 = 77;
/// Something on this machine has to be set up otherwise (`EX_CONFIG`).
pub const CONFIGURATION: u8 = 78;

impl Code {
    /// The exit status of a command that ends with this refusal.
    pub const fn exit_status(self) -> u8 {
        match self {
            Code::Busy | Code::Limit => BUSY,
            Code::NotAllowed | Code::Identity => DENIED,
            Code::Timeout
            | Code::TooLarge
            | Code::Malformed
            | Code::Unsupported
            | Code::BadState
            | Code::Internal => UNREACHABLE,
            _ => CONFIGURATION,
        }
    }
}

/// An error as every command writes it: what happened, and on a line of its own what to type next.
///
/// ```
/// use xsk_proto::exit::error_text;
///
/// let text = error_text("xsk-client", "queue 0 of eth1 is in use", "xsk-client status");
/// assert_eq!(text, "xsk-client: queue 0 of eth1 is in use\n  hint: xsk-client status");
/// ```
pub fn error_text(program: &str, message: &str, hint: &str) -> String {
    let hint = if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") };
    format!("{program}: {message}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_of_the_table() {
        for code in Code::ALL {
            assert!(
                [UNREACHABLE, BUSY, DENIED, CONFIGURATION].contains(&code.exit_status()),
                "{code}"
            );
        }
        let some = [
            (Code::Internal, 69),
            (Code::Busy, 75),
            (Code::Limit, 75),
            (Code::NotAllowed, 77),
            (Code::Identity, 77),
            (Code::NoSuchInterface, 78),
            (Code::Policy, 78),
            (Code::NotPrivileged, 78),
        ];
        for (code, status) in some {
            assert_eq!(code.exit_status(), status, "{code}");
        }
    }

    #[test]
    fn an_error_without_a_hint_is_one_line() {
        assert_eq!(error_text("xsk-helper", "no", ""), "xsk-helper: no");
    }
}
