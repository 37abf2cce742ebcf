// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Internet checksum (RFC 1071), and that of a protocol with a pseudo header.
#![forbid(unsafe_code)]

/// Adds `bytes` as big-endian 16-bit words, the last one padded, to `sum`.
fn add(sum: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let last = words.remainder().first().map_or(0, |byte| u64::from(*byte) << 8);
    words.fold(sum + last, |sum, word| sum + u64::from(u16::from_be_bytes([word[0], word[1]])))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The checksum of `bytes`, whose own checksum field is zero.
pub(super) fn of(bytes: &[u8]) -> u16 {
    fold(add(0, bytes))
}

/// The checksum of `payload` under a pseudo header. `addresses` is source and destination in a row, 8 bytes or 32.
pub(super) fn with_pseudo_header(addresses: &[u8], protocol: u8, payload: &[u8]) -> u16 {
    let sum = add(0, addresses) + u64::from(protocol) + payload.len() as u64;
    fold(add(sum, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn an_odd_byte_counts_as_if_padded() {
        assert_eq!(of(&[1, 2, 3]), of(&[1, 2, 3, 0]));
        assert_eq!(of(&[]), 0xffff);
    }

    #[test]
    fn a_known_ip_header() {
        // 192.168.0.1 to 192.168.0.199, UDP, from Wikipedia's "Internet checksum".
        let header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert_eq!(of(&header), 0xb861);
    }
}
