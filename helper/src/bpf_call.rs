// SPDX-License-Identifier: MIT OR Apache-2.0
//! bpf(2) calls that need capabilities.
#![forbid(unsafe_code)]

use caps::Capability::{CAP_BPF, CAP_NET_ADMIN};
use xsk_bpf::Error;

use crate::error::Failure;
use crate::sys::privilege;

/// Runs the call with CAP_BPF and CAP_NET_ADMIN in effect. The outer error is that they are not
/// permitted.
pub(crate) fn raised<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    privilege::with(&[CAP_BPF, CAP_NET_ADMIN], work)
        .map_err(|error| Failure::sys("raising CAP_BPF and CAP_NET_ADMIN", error))
}

/// The same for a call whose errors all mean the same to the caller.
pub(crate) fn privileged<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    Ok(raised(work)??)
}
