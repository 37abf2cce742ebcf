// SPDX-License-Identifier: MIT OR Apache-2.0
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bytes;
mod ethtool;
mod family;
mod filter;
mod functions;
mod link;
mod message;
mod netdev;
mod route;
mod stack;
mod xdp;

#[cfg(test)]
mod replay;

use std::io;
use std::ops::ControlFlow;

pub use ethtool::{Channels, Ethtool};
pub use functions::VirtualFunction;
pub use link::{Attached, Event, Link, XdpMode};
pub use message::{Message, Request, messages};
pub use netdev::{Features, Netdev};
pub use route::Route;
pub use xdp::{SINGLE_BUFFER, SINGLE_BUFFER_MTU, Undelivered, VETH_PEER_MTU};

/// Asks the kernel. A program implements this for its own netlink socket.
pub trait Ask {
    /// Sends the request and calls `each` for every message of the answer.
    ///
    /// # Errors
    /// The kernel's answer where that is an errno, or what went wrong on the way.
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()>;
}

impl<A: Ask + ?Sized> Ask for &A {
    fn ask(&self, request: Request, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        (**self).ask(request, each)
    }
}

/// Reads one datagram of the answer to the request numbered `sequence`. Breaks with the outcome
/// when the answer is complete. Messages with another number belong to an earlier request that was
/// given up, and are passed over.
pub fn read_answer(
    datagram: &[u8],
    sequence: u32,
    each: &mut dyn FnMut(Message<'_>),
) -> ControlFlow<io::Result<()>> {
    for message in messages(datagram) {
        let Some(message) = message else {
            return ControlFlow::Break(Err(io::Error::from_raw_os_error(libc::EBADMSG)));
        };
        if message.sequence != sequence {
            continue;
        }
        match message.outcome() {
            Some(outcome) => return ControlFlow::Break(outcome),
            None => each(message),
        }
    }
    ControlFlow::Continue(())
}

/// Returns `Ok(None)` in place of an error that says that there is no such thing.
fn unless<T>(found: io::Result<Option<T>>, missing: &[i32]) -> io::Result<Option<T>> {
    match found {
        Err(error) if missing.contains(&error.raw_os_error().unwrap_or(0)) => Ok(None),
        other => other,
    }
}
