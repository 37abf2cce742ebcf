// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a subcommand ends.
#![forbid(unsafe_code)]

use xsk_client::Error;

/// The exit status of a subcommand that did not fail, or why it did.
pub(crate) type Outcome = Result<u8, Error>;
