// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chains that were gathered together, their buffers already found in memory.
#![forbid(unsafe_code)]

use crate::memory::{GuestMemory, Span};

/// Buffers a batch: what one ring may make this side keep.
const MAX_SPANS: usize = 4096;

/// One chain of descriptors: buffers to read, then buffers to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    pub(super) head: u16,
    pub(super) first: u32,
    pub(super) middle: u32,
    pub(super) last: u32,
    pub(super) readable: u64,
    pub(super) writable: u64,
}

impl Chain {
    #[inline]
    pub(super) fn head(&self) -> u16 {
        self.head
    }

    /// Bytes that the driver has put into it.
    #[inline]
    pub fn readable(&self) -> u64 {
        self.readable
    }

    /// Bytes that can be put into it.
    #[inline]
    pub fn writable(&self) -> u64 {
        self.writable
    }
}

/// Chains with their buffers. To be kept and used again, so that nothing is allocated a batch.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) chains: Vec<Chain>,
    pub(super) spans: Vec<Span>,
}

impl Batch {
    /// Forgets all chains.
    #[inline]
    pub fn clear(&mut self) {
        self.chains.clear();
        self.spans.clear();
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.spans.len() >= MAX_SPANS
    }

    /// The chains, in the order of the ring.
    #[inline]
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// Copies bytes out of a chain, from its byte number `skip` on. Returns how many there were.
    #[inline]
    pub fn read(&self, memory: &GuestMemory, chain: &Chain, skip: usize, to: &mut [u8]) -> usize {
        memory.read(&self.spans[chain.first as usize..chain.middle as usize], skip, to)
    }

    /// Copies bytes into a chain, from its byte number `skip` on. Returns how many fitted.
    #[inline]
    pub fn write(&self, memory: &GuestMemory, chain: &Chain, skip: usize, from: &[u8]) -> usize {
        memory.write(&self.spans[chain.middle as usize..chain.last as usize], skip, from)
    }
}
