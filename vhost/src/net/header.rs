// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header before each frame (`struct virtio_net_hdr_mrg_rxbuf`; virtio 1.2, 5.1.6).
#![forbid(unsafe_code)]

use super::feature;

/// The header's fields. Numbers are little-endian in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// [`NEEDS_CSUM`](Self::NEEDS_CSUM), [`DATA_VALID`](Self::DATA_VALID).
    pub flags: u8,
    /// What is to be cut into segments; 0: nothing.
    pub gso_type: u8,
    /// Bytes of all headers, a hint.
    pub hdr_len: u16,
    /// Bytes a segment.
    pub gso_size: u16,
    /// Where the checksum begins to be computed.
    pub csum_start: u16,
    /// Where it goes, from there.
    pub csum_offset: u16,
    /// Buffers that the frame fills; there only where [`header_len`] is 12.
    pub num_buffers: u16,
}

/// Bytes of the header once `features` are acknowledged.
pub fn header_len(features: u64) -> usize {
    if features & (feature::VERSION_1 | feature::MRG_RXBUF) == 0 { 10 } else { 12 }
}

impl Header {
    /// The checksum from `csum_start` on is to be computed.
    pub const NEEDS_CSUM: u8 = 1;
    /// The checksums were verified.
    pub const DATA_VALID: u8 = 2;
    /// Segments of TCP over IPv4.
    pub const TCP4: u8 = 1;
    /// Segments of TCP over IPv6.
    pub const TCP6: u8 = 4;
    /// With either: the frame says that congestion was met.
    pub const ECN: u8 = 0x80;

    /// Reads the first ten bytes of a header.
    #[inline]
    pub fn read(bytes: &[u8; 10]) -> Self {
        let at = |index: usize| u16::from_le_bytes([bytes[index], bytes[index + 1]]);
        Self {
            flags: bytes[0],
            gso_type: bytes[1],
            hdr_len: at(2),
            gso_size: at(4),
            csum_start: at(6),
            csum_offset: at(8),
            num_buffers: 0,
        }
    }

    /// All twelve bytes.
    #[inline]
    pub fn bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        let numbers =
            [self.hdr_len, self.gso_size, self.csum_start, self.csum_offset, self.num_buffers];
        for (number, at) in numbers.into_iter().zip(bytes[2..].chunks_exact_mut(2)) {
            at.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_the_specification() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let header = Header::read(&bytes);
        assert_eq!((header.flags, header.gso_type, header.hdr_len), (1, 2, 0x0403));
        assert_eq!(
            (header.gso_size, header.csum_start, header.csum_offset),
            (0x0605, 0x0807, 0x0a09)
        );
        assert_eq!(
            Header { num_buffers: 0x0c0b, ..header }.bytes(),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
        );
    }

    #[test]
    fn its_length_follows_from_the_features() {
        assert_eq!(header_len(0), 10);
        assert_eq!(header_len(feature::MRG_RXBUF), 12);
        assert_eq!(header_len(feature::VERSION_1), 12);
    }
}
