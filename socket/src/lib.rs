// SPDX-License-Identifier: MIT OR Apache-2.0
//! From an AF_XDP descriptor that somebody else made to a bound socket that moves frames.
//!
//! Creating an AF_XDP socket needs `CAP_NET_RAW`, and putting it into an XSKMAP needs more.
//! Everything after that needs nothing: a privileged program can create the socket and pass it on,
//! and the receiver registers memory, sets up the rings, binds, and sends and receives. This crate
//! is the receiver's half.
//!
//! The states are types, so that a step cannot be taken out of order:
//!
//! * [`Unbound`]: a descriptor that was checked to be AF_XDP, not bound, without memory;
//! * [`Ready`]: with its UMEM registered, four rings mapped, and the fill ring filled;
//! * [`Bound`]: on one queue of one interface.
//!
//! ```no_run
//! use std::os::fd::OwnedFd;
//! use xsk_socket::{BindOptions, Config, Error, Unbound};
//!
//! fn reflect(fd: OwnedFd, ifindex: u32, queue: u32) -> Result<(), Error> {
//!     let ready = Unbound::adopt(fd)?.prepare(&Config::default())?;
//!     let mut socket = ready.bind(ifindex, queue, &BindOptions::default())?;
//!     loop {
//!         let mut batch = socket.recv(64);
//!         batch.for_each(|mut frame| {
//!             let (to, rest) = frame.split_at_mut(6);
//!             to.swap_with_slice(&mut rest[..6]);
//!             frame.send_back();
//!         });
//!         drop(batch);
//!         socket.flush()?;
//!         socket.wait(None)?;
//!     }
//! }
//! ```
//!
//! # Memory
//! The UMEM is locked memory. Without `CAP_IPC_LOCK` it is charged to the real user id over all its
//! processes and held against this process's `RLIMIT_MEMLOCK` (kernel: `xdp_umem_account_pages` in
//! `net/xdp/xdp_umem.c`). The rings are not charged. The default of 896 frames of 4096 bytes is 3.5
//! MiB, so that two queues fit in 8 MiB.
//!
//! # Trust
//! The kernel writes to a frame only while that frame is in the fill ring. The rings are shared
//! memory, and whoever holds another copy of the descriptor can map them too; so each address that
//! comes out of a ring is checked against a ledger of who owns which frame, and one that the kernel
//! cannot have had is ignored and counted ([`Bound::foreign_addresses`]).

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod batch;
mod bound;
mod config;
mod datapath;
mod error;
mod joined;
mod kernel;
mod ledger;
mod monitor;
mod ready;
mod ring;
mod rings;
mod sys;
mod unbound;

pub use batch::{Frame, RxBatch};
pub use bound::{Bound, Refused};
pub use config::{BindOptions, Config, CopyMode, RX_HEADROOM};
pub use error::Error;
pub use kernel::has_several_buffers;
pub use monitor::{Monitor, Statistics};
pub use ready::{BindFailed, Ready};
pub use unbound::Unbound;
