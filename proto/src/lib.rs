// SPDX-License-Identifier: MIT OR Apache-2.0
//! The protocol between `xsk-client` and `xsk-helper`: what is said, how it is encoded, how large
//! it may be.
//!
//! One `SOCK_SEQPACKET` connection carries one conversation; one message is one packet.
//! `PROTOCOL.md` beside this crate specifies the bytes; the golden vectors in `tests/` hold the two
//! together.
//!
//! This crate does no input or output and makes no system call, so both sides and the fuzzers can
//! use it alike.
#![forbid(unsafe_code)]

mod code;
pub mod codec;
pub mod exit;
mod grant;
mod ifname;
mod list;
mod reply;
mod request;
mod status;

pub use code::Code;
pub use grant::{BusyPoll, Confinement, Filter, Granted, Memlock, Mode, Warning, WarningKind};
pub use ifname::{IfName, NameError};
pub use reply::{Event, EventKind, Refused, Reply, Verdict};
pub use request::{Acquire, Hello, ModeRequest, Param, Request, Revoke, Value, param};
pub use status::{InterfaceStatus, LeaseStatus, StatusPart};

/// The first four bytes of a greeting's body: `XSKH` read as a little-endian number.
pub const MAGIC: u32 = u32::from_le_bytes(*b"XSKH");

/// The oldest protocol version that this crate speaks.
pub const VERSION_MIN: u16 = 1;

/// The newest protocol version that this crate speaks.
pub const VERSION_MAX: u16 = 1;

/// The largest request, in bytes. A longer packet is refused as [`Code::TooLarge`].
pub const MAX_REQUEST: usize = 4096;

/// The largest reply, in bytes.
pub const MAX_REPLY: usize = 65536;

/// The most queues that one lease can have: so many descriptors fit into one message with room to
/// spare (the kernel's limit is `SCM_MAX_FD`, 253; include/net/scm.h).
pub const MAX_QUEUES: u32 = 64;

/// The most typed options that one request may carry.
pub const MAX_PARAMS: usize = 16;

/// Where the system's helper listens.
pub const SOCKET_PATH: &str = "/run/xsk-helper/socket";

/// Where the helper is installed for a run by setuid, file capabilities, sudo or pkexec.
pub const HELPER_PATH: &str = "/usr/libexec/xsk-helper";
