// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-helper`: grants AF_XDP sockets to ordinary users, and is otherwise as little as possible.
//!
//! | folder | what it knows |
//! |---|---|
//! | [`isolation`] | the order in which privileges and the caller's influence go |
//! | [`serve`] | one connection: who asks, what may be said when |
//! | [`policy`] | who may have what |
//! | [`grant`] | from a request to sockets in the map, or back |
//! | [`leases`] | the lease table, which is the kernel's |
//! | [`keeper`] | the process that holds a lease |
//! | [`kernel`], [`netlink`], [`sys`] | the kernel; all unsafe code is in `sys` |
//! | [`delegate`] | executes `xsk-helper-admin` where there are arguments |
//! | [`admin`], [`listen`] | what that does for root |
//!
//! It is a library for `xsk-helper-admin`, and so that tests and fuzzers reach the parts that need no privilege.

pub mod admin;
mod audit;
mod delegate;
mod error;
mod failpoints;
mod gate;
mod grant;
mod isolation;
mod keeper;
mod kernel;
mod leases;
mod listen;
mod netlink;
mod netns;
mod paths;
pub mod policy;
pub mod serve;
mod start;
mod sys;
mod unit_status;

pub use error::Failure;
pub use start::start;
pub use xsk_proto::Code;
