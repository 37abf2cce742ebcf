// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-helper`: grants AF_XDP sockets to ordinary users, and is otherwise as little as possible.
//!
//! Its modules stand in layers. A module uses those of the layers below its own, and no other:
//!
//! | layer | what it does |
//! |---|---|
//! | [`admin`], [`start`] | root's commands, which only `xsk-helper-admin` has; which job a process was started for |
//! | [`delegate`], [`gate`], [`serve`] | runs `xsk-helper-admin`; lets connections in by turns; one connection |
//! | [`keeper`] | the process that holds a lease |
//! | [`grant`], [`revoke`], [`service_process`] | from a request to sockets in the map; leases that end early; the service user |
//! | [`caller`], [`guard`] | who asks; the bind guard |
//! | [`isolation`], [`kernel`], [`policy`] | how privileges go; what the kernel says of interfaces; who may have what |
//! | [`netns`] | the network namespace |
//! | [`leases`] | the lease table, which is the kernel's: locks and pins |
//! | [`bpf_call`], [`connection`], [`netlink`] | bpf(2) with capabilities; packets of a client; netlink sockets |
//! | [`audit`], [`error`], [`exit`], [`unit_status`] | the log; what went wrong, and what is said of it |
//! | [`accounts`] | users and groups of the user database |
//! | [`failpoints`], [`paths`], [`sys`] | system calls, places, and where a test can stop a process |
//!
//! `tests/layers.rs` holds the code to this table. All unsafe code is in [`sys`].
//!
//! It is a library for `xsk-helper-admin`, and so that tests and fuzzers reach the parts that need
//! no privilege.

mod accounts;
pub mod admin;
mod audit;
mod bpf_call;
mod caller;
mod connection;
mod delegate;
mod error;
mod exit;
mod failpoints;
mod gate;
mod grant;
mod guard;
mod isolation;
mod keeper;
mod kernel;
mod leases;
mod netlink;
mod netns;
mod paths;
pub mod policy;
mod revoke;
pub mod serve;
mod service_process;
mod start;
mod sys;
mod unit_status;

pub use start::start;
pub use xsk_proto::{Code, Refused};
