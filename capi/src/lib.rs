// SPDX-License-Identifier: MIT OR Apache-2.0
//! libxskclient: `xsk-client` for C and C++. The header is `include/xskclient.h`.
//!
//! Every exported function catches panics, prints nothing, and keeps nothing between calls. Handles
//! are boxes that C frees by the function named for it; descriptors that come out belong to the
//! caller.
//!
//! The contract of every exported function, which the SAFETY comments mean: a pointer is NULL, or
//! valid as the function's description says, and nobody changes what it points to during the call.

mod ask;
mod error;
mod event;
mod grant;
mod pointers;
mod request;
mod status;
mod text;
mod verdict;

pub use ask::*;
pub use error::*;
pub use event::*;
pub use grant::*;
pub use request::*;
pub use status::*;
pub use verdict::*;
