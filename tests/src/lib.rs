// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lab in which the end-to-end tests and the benchmarks run.
//!
//! A [`lab::Lab`] turns the calling thread into a host of its own: mount and network namespaces
//! that nobody else sees, a second network namespace for the other end of the cable, and an
//! ordinary uid that no other test uses. So tests run side by side, and what a test breaks goes
//! with it.
//!
//! Tests need root. One that cannot run says so with [`skip!`], and where `CI` is `true` it fails
//! instead: a suite that skips in silence proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod lab;

pub use xsk_proto as proto;
