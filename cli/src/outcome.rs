// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a subcommand ends.
#![forbid(unsafe_code)]

use xsk_command::Failure;

/// The name under which this program speaks.
pub(crate) const PROGRAM: &str = "xsk-client";

/// The exit status of a subcommand that did not fail, or why it did.
pub(crate) type Outcome = Result<u8, Failure>;
