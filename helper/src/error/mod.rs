// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong, as values. A decision is made by what happened; the stable code, the sentence
//! and the hint that the client, the log and a shell see are made of it in this folder, and nowhere
//! else.
#![forbid(unsafe_code)]

mod cause;
mod command;
mod identity;
mod interface;
mod kernel;
mod limit;
mod policy;
mod program;
mod setup;
mod taken;

use std::borrow::Cow;
use std::fmt;

use xsk_proto::{Code, Refused};

pub(crate) use cause::Cause;
pub(crate) use command::CommandFault;
pub(crate) use identity::IdentityFault;
pub(crate) use interface::InterfaceFault;
pub(crate) use kernel::KernelFault;
pub(crate) use limit::Limit;
pub(crate) use policy::PolicyFault;
pub(crate) use program::{Cause as ProgramCause, ProgramFault, Tried, Unsupported};
pub(crate) use setup::SetupFault;
pub(crate) use taken::Taken;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A system call that should not have failed.
    Sys(Sys),
    /// A bpf(2) call that should not have failed.
    Bpf(xsk_bpf::Error),
    /// The interface is not one that the request can have.
    Interface(InterfaceFault),
    /// Another process has what was asked for.
    Taken(Taken),
    /// There are as many of something as there may be.
    Limit(Limit),
    /// The program does not come onto the interface, or not as the request wants it.
    Program(ProgramFault),
    /// The kernel lacks what the request or the policy cannot do without.
    Kernel(KernelFault),
    /// Who asks is not known beyond doubt, or took too long.
    Identity(IdentityFault),
    /// The policy does not allow it, or cannot be used.
    Policy(PolicyFault),
    /// The program is not installed or not started as it has to be.
    Setup(SetupFault),
    /// A command of root's was given something that it cannot use.
    Command(CommandFault),
}

/// A system call that should not have failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sys {
    step: &'static str,
    /// What it was done to; the helper itself if empty.
    object: String,
    cause: Cause,
}

macro_rules! from {
    ($($kind:ident($fault:ty)),* $(,)?) => {
        $(impl From<$fault> for Failure {
            fn from(fault: $fault) -> Self {
                Self::$kind(fault)
            }
        })*
    };
}

from!(
    Sys(Sys),
    Bpf(xsk_bpf::Error),
    Interface(InterfaceFault),
    Taken(Taken),
    Limit(Limit),
    Program(ProgramFault),
    Kernel(KernelFault),
    Identity(IdentityFault),
    Policy(PolicyFault),
    Setup(SetupFault),
    Command(CommandFault),
);

impl Failure {
    /// A system call that should not have failed.
    pub(crate) fn sys(step: &'static str, cause: impl Into<Cause>) -> Self {
        Self::sys_of(step, "", cause)
    }

    /// The same, done to `object`.
    pub(crate) fn sys_of(
        step: &'static str,
        object: impl Into<String>,
        cause: impl Into<Cause>,
    ) -> Self {
        Self::Sys(Sys { step, object: object.into(), cause: cause.into() })
    }

    /// Returns whether the process had no descriptor left. Nothing is broken then, and the next
    /// request may find room.
    fn is_want_of_descriptors(&self) -> bool {
        let errno = match self {
            Failure::Sys(sys) => sys.cause.errno(),
            Failure::Bpf(error) => Some(error.errno),
            _ => None,
        };
        matches!(errno, Some(libc::EMFILE | libc::ENFILE))
    }

    /// Returns whether the kernel does not know what the program to be loaded asks for.
    pub(crate) fn is_refused_load(&self) -> bool {
        matches!(self, Failure::Bpf(error) if kernel::is_refused_load(error))
    }

    /// Returns whether what is in the way of a claim may just be going: a process that was killed
    /// loses its locks before its sockets and its program are gone.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Failure::Taken(taken) => taken.may_pass(),
            Failure::Program(fault) => fault.may_pass(),
            _ => false,
        }
    }

    /// Returns the stable code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.refused().code
    }

    /// Returns what goes over the wire, into the log and to a shell.
    pub(crate) fn refused(&self) -> Refused {
        match self {
            Failure::Sys(Sys { step, object, cause }) => {
                let object = if object.is_empty() { Cow::from(HELPER) } else { Cow::from(object) };
                self.internal(&object, &format!("{step}: {cause}"))
            }
            Failure::Bpf(error) => match kernel::refused_load(error) {
                Some(refused) => refused,
                None => self.internal(HELPER, &error.to_string()),
            },
            Failure::Interface(fault) => fault.refused(),
            Failure::Taken(taken) => taken.refused(),
            Failure::Limit(limit) => limit.refused(),
            Failure::Program(fault) => fault.refused(),
            Failure::Kernel(fault) => fault.refused(),
            Failure::Identity(fault) => fault.refused(),
            Failure::Policy(fault) => fault.refused(),
            Failure::Setup(fault) => fault.refused(),
            Failure::Command(fault) => fault.refused(),
        }
    }

    fn internal(&self, object: &str, message: &str) -> Refused {
        if self.is_want_of_descriptors() {
            let hint =
                "the helper has no descriptor left: try again, or raise LimitNOFILE= of the helper";
            return say(Code::Busy, object, message, hint);
        }
        say(Code::Internal, object, message, "see the helper's log: journalctl -t xsk-helper")
    }
}

/// What a failure is about if it is about this program.
const HELPER: &str = "xsk-helper";

/// The four parts of an answer.
fn say(
    code: Code,
    object: impl Into<String>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Refused {
    Refused { code, object: object.into(), message: message.into(), hint: hint.into() }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { message, hint, .. } = self.refused();
        f.write_str(&message)?;
        if hint.is_empty() { Ok(()) } else { write!(f, "\n  hint: {hint}") }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        failure.refused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_descriptors_passes_and_any_other_errno_does_not() {
        for errno in [libc::EMFILE, libc::ENFILE] {
            let step = xsk_bpf::Step::Info;
            assert_eq!(
                Failure::sys("asking", nix::errno::Errno::from_raw(errno)).code(),
                Code::Busy
            );
            assert_eq!(Failure::from(xsk_bpf::Error { step, errno }).code(), Code::Busy);
        }
        let said = Failure::sys("asking", "Too many open files, says the text").refused();
        assert_eq!(
            (said.code, said.message.as_str()),
            (Code::Internal, "asking: Too many open files, says the text")
        );
        assert_eq!(
            Failure::sys_of("reading", "eth1", nix::errno::Errno::EPERM).refused().object,
            "eth1"
        );
    }

    #[test]
    fn a_claim_waits_for_what_a_killed_process_still_has() {
        let name = || "eth1".to_owned();
        let held = Taken::Held { name: name(), queue: 0, uid: 1, pid: 2, free: None };
        assert!(Failure::from(held).may_pass());
        assert!(Failure::from(ProgramFault::Appeared { name: name() }).may_pass());
        assert!(!Failure::from(Taken::Mount).may_pass());
        assert!(!Failure::from(ProgramFault::NoBpffs).may_pass());
        assert!(!Failure::from(InterfaceFault::Renamed(name())).may_pass());
    }

    #[test]
    fn a_load_is_refused_by_the_errnos_of_an_older_kernel_alone() {
        let error = |step, errno| Failure::from(xsk_bpf::Error { step, errno });
        for errno in [libc::EINVAL, libc::E2BIG] {
            assert!(error(xsk_bpf::Step::Load, errno).is_refused_load());
            assert_eq!(error(xsk_bpf::Step::Load, errno).code(), Code::KernelTooOld);
            assert!(!error(xsk_bpf::Step::Attach, errno).is_refused_load());
        }
        assert!(!error(xsk_bpf::Step::Load, libc::EPERM).is_refused_load());
        assert!(!Failure::from(KernelFault::NoFrags).is_refused_load());
    }
}
