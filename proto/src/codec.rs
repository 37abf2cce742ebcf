// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place that knows how messages become bytes.
//!
//! `bincode` 2 with fixed-width little-endian integers: an enum is its variant's number in 4 bytes,
//! a string or a list its length in 8 bytes and then its content, a bool one byte, an option one
//! byte and then the value. Nothing else of `bincode` shows: should it have to go, `PROTOCOL.md`
//! and the golden vectors stay.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Code, MAX_PARAMS, MAX_REPLY, MAX_REQUEST, Reply, Request};

type Config<const N: usize> = Configuration<LittleEndian, Fixint, Limit<N>>;

const fn config<const N: usize>() -> Config<N> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<N>()
}

/// Why a packet is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The packet is longer than the limit.
    TooLarge,
    /// The packet begins with the number of no known message, or an enum in it has no such variant.
    Unsupported,
    /// The packet ends early, goes on after the message, or has a value that its type cannot have.
    Malformed,
}

impl DecodeError {
    /// The code with which a helper refuses such a packet.
    pub const fn code(self) -> Code {
        match self {
            DecodeError::TooLarge => Code::TooLarge,
            DecodeError::Unsupported => Code::Unsupported,
            DecodeError::Malformed => Code::Malformed,
        }
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DecodeError::TooLarge => "the packet is longer than the limit",
            DecodeError::Unsupported => "the packet has a message or a value that is not known",
            DecodeError::Malformed => "the packet is malformed",
        })
    }
}

impl std::error::Error for DecodeError {}

/// A message that does not fit into its limit: the caller's own doing, never a peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeError;

impl std::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the message does not fit into a packet")
    }
}

impl std::error::Error for EncodeError {}

/// Encodes a request.
///
/// # Errors
/// [`EncodeError`] where it exceeds [`MAX_REQUEST`] bytes.
pub fn encode_request(request: &Request) -> Result<Vec<u8>, EncodeError> {
    encode::<_, MAX_REQUEST>(request)
}

/// Decodes a request.
///
/// # Errors
/// [`DecodeError`]. A list costs memory only as its elements are decoded, a string never more than
/// the limit.
pub fn decode_request(packet: &[u8]) -> Result<Request, DecodeError> {
    let request = decode::<_, MAX_REQUEST>(packet)?;
    match &request {
        Request::Acquire(a) | Request::Check(a) if a.params.len() > MAX_PARAMS => {
            Err(DecodeError::TooLarge)
        }
        _ => Ok(request),
    }
}

/// Encodes a reply.
///
/// # Errors
/// [`EncodeError`] where it exceeds [`MAX_REPLY`] bytes.
pub fn encode_reply(reply: &Reply) -> Result<Vec<u8>, EncodeError> {
    encode::<_, MAX_REPLY>(reply)
}

/// Decodes a reply.
///
/// # Errors
/// [`DecodeError`]. A list costs memory only as its elements are decoded, a string never more than
/// the limit.
pub fn decode_reply(packet: &[u8]) -> Result<Reply, DecodeError> {
    decode::<_, MAX_REPLY>(packet)
}

fn encode<T: Serialize, const N: usize>(message: &T) -> Result<Vec<u8>, EncodeError> {
    let packet = bincode::serde::encode_to_vec(message, config::<N>()).map_err(|_| EncodeError)?;
    if packet.len() > N { Err(EncodeError) } else { Ok(packet) }
}

fn decode<T: DeserializeOwned, const N: usize>(packet: &[u8]) -> Result<T, DecodeError> {
    if packet.len() > N {
        return Err(DecodeError::TooLarge);
    }
    let (message, used) =
        bincode::serde::decode_from_slice(packet, config::<N>()).map_err(reason)?;
    if used == packet.len() { Ok(message) } else { Err(DecodeError::Malformed) }
}

fn reason(error: bincode::error::DecodeError) -> DecodeError {
    use bincode::error::DecodeError as E;
    match error {
        // serde's derive reports an unknown variant as a message of its own making.
        E::OtherString(text)
            if text.starts_with("invalid value: integer") && text.contains("variant index") =>
        {
            DecodeError::Unsupported
        }
        _ => DecodeError::Malformed,
    }
}
