// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that a guest writes to while it is read here. All of the crate's `unsafe` is in this
//! folder.
//!
//! What it offers is safe: every access is checked against its mapping, what decides anything is
//! read once, by a volatile or an atomic load, and bytes that decide nothing are copied out before
//! anybody looks at them.
#![allow(unsafe_code)]

mod bus;
mod mapping;
mod ring;

pub use bus::catch_bus_errors;
pub(crate) use mapping::Mapping;
pub(crate) use ring::{Descriptor, RingMemory};
