// SPDX-License-Identifier: MIT OR Apache-2.0
//! Received frames in the user's hands: looked at, changed, and sent back in place or given back.
#![forbid(unsafe_code)]

use std::ops::{Deref, DerefMut};

use crate::datapath::{DataPath, HeldFrame};

/// Frames that were received together. Dropping the batch returns each to the kernel: to the
/// transmit ring if it was marked with [`Frame::send_back`], else to the fill ring.
#[derive(Debug)]
pub struct RxBatch<'a> {
    datapath: &'a mut DataPath,
}

impl<'a> RxBatch<'a> {
    pub(crate) fn new(datapath: &'a mut DataPath) -> Self {
        Self { datapath }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.datapath.held.len()
    }

    /// Returns whether nothing was received.
    pub fn is_empty(&self) -> bool {
        self.datapath.held.is_empty()
    }

    /// The frames, to look at.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.datapath.held.iter().map(|held| match held.joined {
            None => self.datapath.umem.bytes(held.addr as usize, held.len as usize),
            Some(number) => self.datapath.joined[number as usize]
                .bytes
                .get(..held.len as usize)
                .unwrap_or_default(),
        })
    }

    /// All bytes of the batch.
    pub fn bytes(&self) -> u64 {
        self.datapath.held.iter().map(|held| u64::from(held.len)).sum()
    }

    /// How many frames are marked to be sent back, and their bytes.
    pub fn sent_back(&self) -> (u64, u64) {
        let marked = self.datapath.held.iter().filter(|held| held.send_back);
        marked.fold((0, 0), |(frames, bytes), held| (frames + 1, bytes + u64::from(held.len)))
    }

    /// The frame at `index`, to change or to send back.
    pub fn frame(&mut self, index: usize) -> Option<Frame<'_>> {
        let DataPath { held, umem, ledger, joined, .. } = &mut *self.datapath;
        let held = held.get_mut(index)?;
        if let Some(number) = held.joined {
            return Some(Frame { chunk: &mut joined[number as usize].bytes, held });
        }
        let offset = held.addr as usize & (ledger.frame_size() - 1);
        let chunk = umem.bytes_mut(held.addr as usize, ledger.frame_size() - offset);
        Some(Frame { chunk, held })
    }

    /// Calls `each` with every frame in turn.
    #[inline]
    pub fn for_each(&mut self, mut each: impl FnMut(Frame<'_>)) {
        for index in 0..self.len() {
            if let Some(frame) = self.frame(index) {
                each(frame);
            }
        }
    }
}

impl Drop for RxBatch<'_> {
    fn drop(&mut self) {
        self.datapath.settle();
    }
}

/// One received frame, from its Ethernet header to its last byte, without the checksum of the wire.
/// One that came in several buffers is put together here, and taken apart again if it is sent back.
#[derive(Debug)]
pub struct Frame<'a> {
    chunk: &'a mut [u8],
    held: &'a mut HeldFrame,
}

impl Frame<'_> {
    /// The longest that the frame can become in its place; one of several buffers cannot grow.
    pub fn capacity(&self) -> usize {
        self.chunk.len()
    }

    /// Makes the frame longer or shorter. Bytes that are new hold what was there before. False, and
    /// nothing is changed, if it does not fit.
    pub fn set_len(&mut self, len: usize) -> bool {
        let fits = len <= self.chunk.len();
        if fits {
            self.held.len = len as u32;
        }
        fits
    }

    /// Sends the frame as it is now, without a copy, when the batch is dropped.
    #[inline]
    pub fn send_back(self) {
        self.held.send_back = self.held.len > 0;
    }
}

impl Deref for Frame<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.chunk.get(..self.held.len as usize).unwrap_or_default()
    }
}

impl DerefMut for Frame<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.chunk.get_mut(..self.held.len as usize).unwrap_or_default()
    }
}
