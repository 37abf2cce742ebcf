// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payloads, number by number.
#![forbid(unsafe_code)]

use crate::memory::RegionInfo;

/// A payload that is shorter than its message's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload is too short")]
pub struct BadPayload;

/// Reads a payload from the front. What is left over is ignored: front ends send more than they
/// need.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadPayload> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(BadPayload)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number of 4 bytes.
    ///
    /// # Errors
    /// [`BadPayload`].
    pub fn u32(&mut self) -> Result<u32, BadPayload> {
        self.take().map(u32::from_ne_bytes)
    }

    /// A number of 8 bytes.
    ///
    /// # Errors
    /// [`BadPayload`].
    pub fn u64(&mut self) -> Result<u64, BadPayload> {
        self.take().map(u64::from_ne_bytes)
    }

    /// A region of memory.
    ///
    /// # Errors
    /// [`BadPayload`].
    pub fn region(&mut self) -> Result<RegionInfo, BadPayload> {
        Ok(RegionInfo {
            guest: self.u64()?,
            len: self.u64()?,
            user: self.u64()?,
            offset: self.u64()?,
        })
    }
}

/// Builds a payload.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// Appends a number of 4 bytes.
    #[must_use]
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_ne_bytes());
        self
    }

    /// Appends a number of 8 bytes.
    #[must_use]
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_ne_bytes());
        self
    }

    /// Appends bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}
