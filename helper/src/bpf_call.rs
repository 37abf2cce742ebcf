// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) calls that need capabilities, and what their errors mean.
#![forbid(unsafe_code)]

use caps::Capability::{CAP_BPF, CAP_NET_ADMIN};
use xsk_bpf::{Error, Step};
use xsk_proto::Code;

use crate::error::Failure;
use crate::sys::privilege;

/// Runs the call with CAP_BPF and CAP_NET_ADMIN in effect. The outer error is that they are not permitted.
pub(crate) fn raised<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    privilege::with(&[CAP_BPF, CAP_NET_ADMIN], work)
        .map_err(|error| Failure::internal("raising CAP_BPF and CAP_NET_ADMIN", error))
}

/// The same for a call whose errors all mean the same to the caller.
pub(crate) fn privileged<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    raised(work)?.map_err(|error| explain(&error))
}

/// The errno that everybody meets first is worth a sentence.
pub(crate) fn explain(error: &Error) -> Failure {
    let failure = Failure::internal(&error.step.to_string(), std::io::Error::from_raw_os_error(error.errno));
    match (error.step, error.errno) {
        (Step::Load, libc::EINVAL | libc::E2BIG) => {
            Failure::new(Code::KernelTooOld, "kernel", failure.refused().message.clone()).hint(
                "the XSK program needs Linux 5.10 or later with CONFIG_XDP_SOCKETS and CONFIG_BPF_SYSCALL",
            )
        }
        _ => failure,
    }
}
