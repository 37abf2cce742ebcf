// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `xsk-client` and `xsk-backend` have in common, so that who knows one command knows the other.
#![forbid(unsafe_code)]

mod endpoint;
mod errors;

pub use endpoint::EndpointArgs;
pub use errors::{ErrorFormat, to_json, wants_json};
