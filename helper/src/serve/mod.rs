// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection, from the first byte to the lease or the end.

pub(crate) mod caller;
pub(crate) mod connection;
pub mod conversation;
pub(crate) mod patience;
mod ready;
mod session;
pub(crate) mod status;

pub(crate) use ready::{Ready, Terms};
pub(crate) use session::{REFUSAL, refuse, serve};
