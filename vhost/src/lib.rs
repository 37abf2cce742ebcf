// SPDX-License-Identifier: MIT OR Apache-2.0
//! The back end's half of vhost-user-net: a virtio network card for any virtual machine monitor, in
//! safe Rust.
//!
//! * [`protocol`]: messages and the connection, which never waits;
//! * [`memory`]: the guest's memory, whose files the front end sends;
//! * [`ring`]: split virtqueues, moved in batches;
//! * [`net`]: feature bits, the header before each frame, configuration space, control queue;
//! * [`device`]: what the messages of one connection come to.
//!
//! It does not know where frames come from and go to: [`device::Backend`] gets the rings, and
//! moves them on threads of its own.
//!
//! # Trust
//! None. The guest writes the rings while they are read, the front end sends the memory and the
//! descriptors and can change both afterwards. Each number is read once and checked before it is
//! used; a ring with impossible content is [`ring::Broken`]; memory that shrinks is caught
//! ([`catch_bus_errors`]); memory and event descriptors are taken only of the kinds that cannot
//! make their user wait for somebody else.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod device;
pub mod memory;
pub mod net;
pub mod protocol;
pub mod ring;
mod sys;

pub use sys::catch_bus_errors;
