// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lease and what it is for.
#![forbid(unsafe_code)]

use xsk_client::Lease;

use super::target::Target;

/// A lease and what it is for.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) target: Target,
    pub(super) lease: Lease,
    /// Bytes that it locks, as the helper was told.
    pub(super) declared: u64,
}
