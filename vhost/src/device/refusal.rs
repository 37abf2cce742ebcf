// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a message is refused.
#![forbid(unsafe_code)]

use crate::memory::BadRegion;
use crate::net::feature;
use crate::protocol::{BadPayload, Code};

/// A message that is not carried out. The front end is told so where it wants an acknowledgement;
/// else the connection ends, since both sides would no longer mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A request that is not known here, or was not offered.
    #[error("request {0} is not served")]
    Unknown(u32),
    /// The payload is too short.
    #[error(transparent)]
    Payload(#[from] BadPayload),
    /// A feature that was not offered.
    #[error("the feature {} was not offered", feature::name(*.0))]
    Feature(u64),
    /// A protocol feature that was not offered.
    #[error("the protocol feature {} was not offered", .0.trailing_zeros())]
    ProtocolFeature(u64),
    /// A ring that the device does not have.
    #[error("there is no ring {0}")]
    Ring(u32),
    /// A size that no ring has.
    #[error("a ring of {0} entries")]
    Size(u32),
    /// Not as many descriptors as the message needs.
    #[error("{0} descriptors, where {1} belong")]
    Descriptors(usize, usize),
    /// A descriptor that could make its user wait for another process.
    #[error("kick and call must be eventfds, pipes or unix sockets")]
    Event,
    /// A ring without a kick descriptor.
    #[error("a ring without a kick descriptor; polling is not offered")]
    Polling,
    /// The memory cannot be used.
    #[error(transparent)]
    Memory(#[from] BadRegion),
    /// A ring that is not in memory.
    #[error("ring {0} is not in the guest's memory, or is misaligned")]
    Place(usize),
    /// Part of the configuration space that does not exist.
    #[error("the configuration space has no {1} bytes at {0}")]
    Config(u32, u32),
    /// The device does not answer.
    #[error("ring {0} is held up")]
    HeldUp(usize),
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}{refusal}", code.map(|code| format!("{code:?}: ")).unwrap_or_default())]
pub struct Refused {
    /// The message, if it is known.
    pub code: Option<Code>,
    /// Why.
    pub refusal: Refusal,
}
