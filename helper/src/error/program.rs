// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program does not come onto the interface.
#![forbid(unsafe_code)]

use std::io;

use xsk_proto::{Code, Mode, Refused};

use super::say;
use crate::paths;

/// What is in the program's way. `name` is the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProgramFault {
    /// Another's program is there; without a mode it is in the hardware.
    Foreign { name: String, prog_id: u32, mode: Option<Mode> },
    /// Another's program came between our look and our attach.
    Appeared { name: String },
    /// The program is attached otherwise, for leases that run.
    Attached { name: String, mode: Mode },
    /// The interface came with its leases from another network namespace.
    CameWithLeases { name: String },
    /// The map was made for fewer queues.
    BeyondMap { name: String, queue: u32 },
    /// No mode that is allowed works.
    Unsupported(Box<Unsupported>),
    /// The folder for pins is not on a bpffs.
    NoBpffs,
}

impl ProgramFault {
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Foreign { .. }
            | Self::Appeared { .. }
            | Self::Attached { .. }
            | Self::CameWithLeases { .. } => true,
            Self::BeyondMap { .. } | Self::Unsupported(_) | Self::NoBpffs => false,
        }
    }

    pub(super) fn refused(&self) -> Refused {
        match self {
            Self::Foreign { name, prog_id, mode } => {
                let mode = mode.map_or("hardware", Mode::name);
                say(
                    Code::ForeignProgram,
                    name,
                    format!("another XDP program is on {name}: id {prog_id}, in {mode} mode"),
                    format!("see what it is: bpftool prog show id {prog_id}; it is left alone"),
                )
            }
            Self::Appeared { name } => say(
                Code::ForeignProgram,
                name,
                format!("another XDP program has just been attached to {name}"),
                format!("see what it is: bpftool net show dev {name}; it is left alone"),
            ),
            Self::Attached { name, mode } => say(
                Code::Busy,
                name,
                format!("the program on {name} is attached in {mode} mode for other leases"),
                format!("ask for mode={mode}, or wait until they have ended (xsk-client status)"),
            ),
            Self::CameWithLeases { name } => say(
                Code::Busy,
                name,
                format!("{name} has come from another network namespace with its leases"),
                "end them first: xsk-helper revoke, or close the sockets",
            ),
            Self::BeyondMap { name, queue } => say(
                Code::QueueRange,
                name,
                format!(
                    "{name} got more queues after the program was loaded; queue {queue} is beyond its map"
                ),
                "end the other leases of the interface first, so that the program is loaded anew",
            ),
            Self::Unsupported(unsupported) => unsupported.refused(),
            Self::NoBpffs => say(
                Code::NoBpffs,
                paths::BPF,
                format!("{} is not a bpffs", paths::BPF),
                format!(
                    "as root: mkdir -p {0} && mount -t bpf -o mode=0700 bpf {0} && chown {1}: {0}",
                    paths::BPF,
                    paths::SERVICE_USER
                ),
            ),
        }
    }
}

/// All modes were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// The interface.
    pub(crate) name: String,
    /// The mode that was tried last, if one was.
    pub(crate) tried: Option<Tried>,
    /// Why no mode was tried.
    pub(crate) reason: String,
}

/// A mode that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tried {
    pub(crate) mode: Mode,
    pub(crate) errno: i32,
    /// Why, if that is known.
    pub(crate) cause: Option<Cause>,
}

/// Why an interface refuses, and the command that takes the reason away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) what: String,
    pub(crate) hint: String,
}

const ASK_FOR_SKB: &str = "ask for mode=skb, which every driver has";

impl Unsupported {
    fn refused(&self) -> Refused {
        let Self { name, tried, reason } = self;
        let refused = |message: String, hint: &str| {
            say(
                Code::ModeUnsupported,
                name,
                message,
                format!("{hint}; all checks: xsk-client doctor {name}"),
            )
        };
        let Some(Tried { mode, errno, cause }) = tried else {
            return refused(format!("{name} does not take the XSK program: {reason}"), ASK_FOR_SKB);
        };
        let errno = io::Error::from_raw_os_error(*errno);
        let because = cause.as_ref().map_or_else(String::new, |cause| format!("{}; ", cause.what));
        let message =
            format!("{name} does not take the XSK program in {mode} mode: {because}{errno}");
        let skb = if *mode == Mode::Native { ASK_FOR_SKB } else { "dmesg may say more" };
        refused(message, cause.as_ref().map_or(skb, |cause| &cause.hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_that_may_go_are_waited_for() {
        let name = || "eth1".to_owned();
        let foreign = ProgramFault::Foreign { name: name(), prog_id: 7, mode: None };
        let attached = ProgramFault::Attached { name: name(), mode: Mode::Skb };
        assert!(foreign.may_pass() && attached.may_pass());
        assert!(ProgramFault::CameWithLeases { name: name() }.may_pass());
        assert!(!ProgramFault::BeyondMap { name: name(), queue: 0 }.may_pass());
    }

    fn unsupported(tried: Option<Tried>) -> Refused {
        Unsupported { name: "eth1".to_owned(), tried, reason: "why".to_owned() }.refused()
    }

    #[test]
    fn a_refusal_of_all_modes_says_the_last_one_and_what_to_do() {
        let none = unsupported(None);
        assert_eq!(none.message, "eth1 does not take the XSK program: why");
        assert!(none.hint.starts_with(ASK_FOR_SKB), "{}", none.hint);
        let tried = |mode| Tried { mode, errno: libc::EINVAL, cause: None };
        assert!(unsupported(Some(tried(Mode::Native))).hint.starts_with(ASK_FOR_SKB));
        assert!(unsupported(Some(tried(Mode::Skb))).hint.starts_with("dmesg"));
        let cause = Cause { what: "its lro is on".to_owned(), hint: "turn it off".to_owned() };
        let known = unsupported(Some(Tried { cause: Some(cause), ..tried(Mode::Native) }));
        assert!(known.message.contains("in native mode: its lro is on; "), "{}", known.message);
        assert_eq!(known.hint, "turn it off; all checks: xsk-client doctor eth1");
    }
}
