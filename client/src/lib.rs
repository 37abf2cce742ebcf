// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unprivileged side: asks `xsk-helper` for AF_XDP sockets and hands them to QEMU or any other
//! program.
//!
//! ```no_run
//! use xsk_client::{Endpoint, Request, acquire};
//!
//! let lease = acquire(&Endpoint::System, &Request::new("eth1").queues(0, 2))?;
//! println!("{} sockets for {}", lease.sockets.len(), lease.granted.ifname);
//! # Ok::<(), xsk_client::Error>(())
//! ```
//!
//! What went wrong is in an [`Error`]: nothing here prints or exits. No call waits for ever: a
//! helper that says nothing is an error after ten seconds (two minutes where pkexec may ask a
//! person). Descriptors are received close-on-exec, counted, and checked to be AF_XDP sockets.

mod conversation;
mod endpoint;
mod error;
mod hints;
mod lease;
pub mod lease_fds;
pub mod netdev;
mod plain;
mod request;
mod similar;
mod sys;

pub use endpoint::Endpoint;
pub use error::{Error, Kind};
pub use lease::{Lease, News, acquire, check, news, revoke, status};
pub use request::Request;
pub use similar::similar;
pub use xsk_proto as proto;

/// What a descriptor is, where it stands in the table, and whether it survives an exec.
pub mod descriptors {
    pub use crate::sys::descriptors::{
        LOWEST, above_streams, is_af_xdp, lowered, netns_cookie, survive_exec,
    };
}

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What to do about a full table of descriptors.
const TABLE_HINT: &str = "close descriptors, or raise the limit: ulimit -n 4096";
