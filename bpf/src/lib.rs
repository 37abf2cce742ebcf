// SPDX-License-Identifier: MIT OR Apache-2.0
//! The XSK program and the kernel objects around it, one type each.
//!
//! [`Redirect`] is what stands on an interface: the map from queue to socket, the link that holds
//! the program there, and the probe that reads the map's slots. It is made once an interface
//! ([`Redirect::load`], then [`Loaded::attach`]), pinned ([`Redirect::pin`]), and from then on
//! opened from its pins ([`Redirect::open`]).
//!
//! [`Guard`] is there once for the whole machine: it holds stamped sockets to their interface and
//! queue.
//!
//! Nothing here decides who may have what, and nothing raises a capability: the caller does both.

mod error;
mod guard;
mod map;
mod pins;
mod redirect;
mod slots;
mod sys;
mod xdp_link;

pub use error::{Error, Step};
pub use guard::{Guard, LivingLeases, Place};
pub use map::XskMap;
pub use pins::{PinFolder, is_bpffs};
pub use redirect::{Loaded, Redirect};
pub use slots::SlotProbe;
pub use xdp_link::{AttachMode, LinkInfo, XdpLink};
