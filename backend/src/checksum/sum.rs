// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Internet checksum (RFC 1071): a sum of 16-bit words in one's complement.
#![forbid(unsafe_code)]

/// A sum in progress. It is kept in the machine's byte order, which RFC 1071 allows, so that whole
/// words are added.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds `bytes`; an odd last one counts as if a zero followed.
    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let words = bytes.chunks_exact(4);
        let rest = words.remainder();
        let sum = words.fold(self.0, |sum, word| {
            sum + u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        });
        let last = match *rest {
            [] => return Self(sum),
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c, ..] => [a, b, c, 0],
        };
        Self(sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// Adds a number of 32 bits.
    #[inline]
    pub(crate) fn number(self, number: u32) -> Self {
        Self(self.0 + u64::from(number.to_be()))
    }

    /// The sum in 16 bits. It is 0 only if all that was added was 0.
    #[inline]
    pub(crate) fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::from_be(sum as u16)
    }
}

/// The checksum of `bytes`, whose own checksum field is zero.
pub(crate) fn of(bytes: &[u8]) -> u16 {
    !Sum::default().bytes(bytes).fold()
}

/// The checksum of `payload` under a pseudo-header. `addresses` is source and destination in a row,
/// 8 bytes or 32.
pub(crate) fn with_pseudo_header(addresses: &[u8], protocol: u8, payload: &[u8]) -> u16 {
    let sum = Sum::default().bytes(addresses).number(protocol.into()).number(payload.len() as u32);
    !sum.bytes(payload).fold()
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
        assert_eq!(of(&[1, 2, 3, 4, 5]), of(&[1, 2, 3, 4, 5, 0]));
        assert_eq!(of(&[]), 0xffff);
    }

    #[test]
    fn a_known_ip_header() {
        // 192.168.0.1 to 192.168.0.199, UDP, from Wikipedia's "Internet checksum".
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(of(&header), 0xb861);
    }
}
