// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection, from the first byte to the lease or the end.

pub mod conversation;
mod ready;
mod session;
mod status;

pub(crate) use ready::{Ready, Terms};
pub(crate) use session::{REFUSAL, serve};
