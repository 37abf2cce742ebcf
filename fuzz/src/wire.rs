// SPDX-License-Identifier: MIT OR Apache-2.0
//! The decoders of both directions: no panic, and one message has one form on the wire.

use xsk_proto::codec::{decode_reply, decode_request, encode_reply, encode_request};

/// What a client can send.
pub fn request(packet: &[u8]) {
    if let Ok(request) = decode_request(packet) {
        assert_eq!(encode_request(&request).as_deref(), Ok(packet), "{request:?}");
    }
}

/// What a helper, or whoever poses as one, can send.
pub fn reply(packet: &[u8]) {
    if let Ok(reply) = decode_reply(packet) {
        assert_eq!(encode_reply(&reply).as_deref(), Ok(packet), "{reply:?}");
    }
}
