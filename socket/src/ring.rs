// SPDX-License-Identifier: MIT OR Apache-2.0
//! The index arithmetic of a ring, apart from its memory so that it can be tested without a kernel.
//!
//! Indices run freely over `u32` and wrap; only the difference of two of them means anything, and a
//! slot is the index modulo the size, which is a power of two. The other side's index is never
//! trusted to be in range.
#![forbid(unsafe_code)]

/// The producing side: what was written here, and how far the other side has read.
#[derive(Debug)]
pub(crate) struct Produce {
    size: u32,
    next: u32,
    consumed: u32,
}

impl Produce {
    pub(crate) fn new(size: u32) -> Self {
        Self { size, next: 0, consumed: 0 }
    }

    /// Entries that the other side has not taken yet; at most the size.
    pub(crate) fn pending(&self) -> u32 {
        self.next.wrapping_sub(self.consumed).min(self.size)
    }

    pub(crate) fn room(&self) -> u32 {
        self.size - self.pending()
    }

    /// Takes over the other side's index.
    pub(crate) fn observe(&mut self, consumed: u32) {
        self.consumed = consumed;
    }

    /// The index to write next, or nothing when the ring is full.
    pub(crate) fn claim(&mut self) -> Option<u32> {
        if self.room() == 0 {
            return None;
        }
        let index = self.next;
        self.next = self.next.wrapping_add(1);
        Some(index)
    }

    /// The index to publish.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }
}

/// The consuming side: what was read here, and how far the other side has written.
#[derive(Debug)]
pub(crate) struct Consume {
    size: u32,
    next: u32,
    produced: u32,
}

impl Consume {
    pub(crate) fn new(size: u32) -> Self {
        Self { size, next: 0, produced: 0 }
    }

    /// Entries that can be read; at most the size.
    pub(crate) fn available(&self) -> u32 {
        self.produced.wrapping_sub(self.next).min(self.size)
    }

    /// Takes over the other side's index.
    pub(crate) fn observe(&mut self, produced: u32) {
        self.produced = produced;
    }

    /// The index to read next, or nothing when the ring is empty.
    pub(crate) fn claim(&mut self) -> Option<u32> {
        if self.available() == 0 {
            return None;
        }
        let index = self.next;
        self.next = self.next.wrapping_add(1);
        Some(index)
    }

    /// The index to publish.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::{Consume, Produce};

    #[test]
    fn a_full_ring_refuses_until_the_other_side_reads() {
        let mut ring = Produce::new(4);
        for expected in 0..4 {
            assert_eq!(ring.claim(), Some(expected));
        }
        assert_eq!((ring.claim(), ring.room(), ring.pending()), (None, 0, 4));
        ring.observe(3);
        assert_eq!((ring.room(), ring.claim()), (3, Some(4)));
    }

    #[test]
    fn an_empty_ring_gives_nothing_until_the_other_side_writes() {
        let mut ring = Consume::new(4);
        assert_eq!(ring.claim(), None);
        ring.observe(2);
        assert_eq!((ring.claim(), ring.claim(), ring.claim()), (Some(0), Some(1), None));
    }

    #[test]
    fn indices_wrap_at_u32() {
        let mut produce = Produce { size: 8, next: u32::MAX - 1, consumed: u32::MAX - 1 };
        let claimed: Vec<_> = (0..4).filter_map(|_| produce.claim()).collect();
        assert_eq!(claimed, [u32::MAX - 1, u32::MAX, 0, 1]);
        assert_eq!((produce.pending(), produce.room()), (4, 4));
        let mut consume = Consume { size: 8, next: u32::MAX, produced: u32::MAX };
        consume.observe(1);
        assert_eq!(
            (consume.available(), consume.claim(), consume.claim()),
            (2, Some(u32::MAX), Some(0))
        );
    }

    #[test]
    fn an_impossible_index_of_the_other_side_never_exceeds_the_size() {
        let mut consume = Consume::new(8);
        consume.observe(0x8000_0000);
        assert_eq!(consume.available(), 8);
        let mut produce = Produce::new(8);
        produce.observe(5);
        assert_eq!((produce.pending(), produce.room()), (8, 0));
    }
}
