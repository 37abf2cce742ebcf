// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers, headers and places, as a front end and a driver write them.

/// A frame to a group, so that the network takes it.
pub fn frame() -> Vec<u8> {
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9, 0x88, 0xb5], &[7; 46]].concat()
}

/// A header of virtio's: flags, type of segments, length of headers, bytes a segment, start and
/// offset of the checksum.
pub fn net_header([flags, kind]: [u8; 2], numbers: [u16; 4]) -> [u8; 12] {
    let mut header = [flags, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (number, at) in numbers.into_iter().zip(header[2..].chunks_exact_mut(2)) {
        at.copy_from_slice(&number.to_le_bytes());
    }
    header
}

/// Where a ring lies in the guest's memory: descriptors, driver area behind 4 KiB, device area
/// behind 8.
pub fn place(ring: u32) -> u64 {
    0x1_0000 + 0x4000 * u64::from(ring)
}

/// Where a ring's buffers to receive into lie.
pub(super) fn buffer(ring: u32, index: u16) -> u64 {
    0x9_0000 + 0x1_0000 * u64::from(ring / 2) + 2048 * u64::from(index)
}

/// Numbers of 8 bytes.
pub fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

/// A number of 4 bytes, padded to 8.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| pair(*word, 0)).collect()
}

/// Two numbers of 4 bytes: a ring's index and its value.
pub fn pair(index: u32, value: u32) -> Vec<u8> {
    [index, value].map(u32::to_ne_bytes).concat()
}

/// Where a ring is, by the front end's addresses.
pub fn addresses(ring: u32, at: u64) -> Vec<u8> {
    [pair(ring, 0), numbers(&[at, at + 0x2000, at + 0x1000, 0])].concat()
}
