// SPDX-License-Identifier: MIT OR Apache-2.0
//! vhost-user messages (QEMU: docs/interop/vhost-user.rst): their codes, their payloads, and the
//! connection. Numbers are in the machine's own order.
#![forbid(unsafe_code)]

mod channel;
mod descriptor;
mod message;
mod payload;

pub use channel::{Channel, Failure};
pub use descriptor::Descriptor;
pub use message::{Code, Head, MAX_DESCRIPTORS, MAX_PAYLOAD, Message, flag};
pub use payload::{BadPayload, Reader, Writer};

/// Protocol feature bits, by the specification's names.
pub mod feature {
    /// More than one pair of queues.
    pub const MQ: u64 = 1 << 0;
    /// Messages may ask for an acknowledgement.
    pub const REPLY_ACK: u64 = 1 << 3;
    /// The front end tells the MTU.
    pub const MTU: u64 = 1 << 4;
    /// The front end gives a connection for the back end's own requests.
    pub const BACKEND_REQ: u64 = 1 << 5;
    /// The back end has the configuration space.
    pub const CONFIG: u64 = 1 << 9;
    /// Regions of memory come and go one by one.
    pub const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
}
