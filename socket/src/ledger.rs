// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who owns which frame. Rings are shared memory, so what they say is checked against this before
//! it is believed.
#![forbid(unsafe_code)]

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Free, on this side.
    Pool,
    /// In the fill ring, or being received into: the kernel's.
    Fill,
    /// Received, and in the user's hands.
    Held,
    /// In the transmit ring or in flight: the kernel's.
    Tx,
}

/// The frames of one UMEM.
#[derive(Debug)]
pub(crate) struct Ledger {
    owner: Vec<Owner>,
    pool: Vec<u32>,
    shift: u32,
    in_fill: u32,
    fill_target: u32,
    foreign: u64,
}

impl Ledger {
    /// `frames` free frames of `1 << shift` bytes, of which `tx_reserve` are never given to the
    /// fill ring.
    pub(crate) fn new(frames: u32, shift: u32, tx_reserve: u32) -> Self {
        Self {
            owner: vec![Owner::Pool; frames as usize],
            pool: (0..frames).rev().collect(),
            shift,
            in_fill: 0,
            fill_target: frames.saturating_sub(tx_reserve),
            foreign: 0,
        }
    }

    #[inline]
    pub(crate) fn frame_size(&self) -> usize {
        1 << self.shift
    }

    #[inline]
    pub(crate) fn free(&self) -> usize {
        self.pool.len()
    }

    pub(crate) fn frames(&self) -> usize {
        self.owner.len()
    }

    pub(crate) fn foreign(&self) -> u64 {
        self.foreign
    }

    /// A free frame for the fill ring, by its address; nothing once the fill ring has its share.
    #[inline]
    pub(crate) fn lend_to_fill(&mut self) -> Option<u64> {
        if self.in_fill >= self.fill_target {
            return None;
        }
        let addr = self.take(Owner::Fill)?;
        self.in_fill += 1;
        Some(addr)
    }

    /// A free frame for the transmit ring, by its address.
    #[inline]
    pub(crate) fn lend_to_tx(&mut self) -> Option<u64> {
        self.take(Owner::Tx)
    }

    fn take(&mut self, to: Owner) -> Option<u64> {
        let frame = self.pool.pop()?;
        self.owner[frame as usize] = to;
        Some(u64::from(frame) << self.shift)
    }

    /// Notes a frame out of the receive ring. False if the kernel cannot have had it, or if it ends
    /// past its chunk.
    #[inline]
    pub(crate) fn received(&mut self, addr: u64, len: u32) -> bool {
        let fits =
            (addr & (self.frame_size() as u64 - 1)) + u64::from(len) <= self.frame_size() as u64;
        if !self.change(addr, Owner::Fill, Owner::Held) {
            return false;
        }
        self.in_fill -= 1;
        if !fits {
            self.foreign += 1;
            self.recycle(addr);
        }
        fits
    }

    /// Moves a held frame to the transmit side.
    #[inline]
    pub(crate) fn send_back(&mut self, addr: u64) -> bool {
        self.change(addr, Owner::Held, Owner::Tx)
    }

    /// Frees a held frame.
    #[inline]
    pub(crate) fn recycle(&mut self, addr: u64) {
        if self.change(addr, Owner::Held, Owner::Pool) {
            self.pool.push((addr >> self.shift) as u32);
        }
    }

    /// Frees a frame out of the completion ring.
    #[inline]
    pub(crate) fn completed(&mut self, addr: u64) {
        if self.change(addr, Owner::Tx, Owner::Pool) {
            self.pool.push((addr >> self.shift) as u32);
        }
    }

    #[inline]
    fn change(&mut self, addr: u64, from: Owner, to: Owner) -> bool {
        let frame = usize::try_from(addr >> self.shift).ok();
        match frame.and_then(|frame| self.owner.get_mut(frame)) {
            Some(owner) if *owner == from => *owner = to,
            _ => {
                self.foreign += 1;
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn the_reserve_never_reaches_the_fill_ring() {
        let mut ledger = Ledger::new(8, 12, 3);
        let filled = std::iter::from_fn(|| ledger.lend_to_fill()).count();
        assert_eq!((filled, ledger.free()), (5, 3));
    }

    #[test]
    fn a_frame_goes_round() {
        let mut ledger = Ledger::new(1, 12, 0);
        let addr = ledger.lend_to_fill().unwrap();
        assert!(ledger.received(addr + 256, 60));
        assert!(ledger.send_back(addr + 256));
        ledger.completed(addr + 256);
        assert_eq!((ledger.free(), ledger.foreign()), (1, 0));
        assert_eq!(ledger.lend_to_tx(), Some(addr));
    }

    #[test]
    fn an_address_that_the_kernel_cannot_have_is_counted_and_ignored() {
        let mut ledger = Ledger::new(2, 12, 0);
        let addr = ledger.lend_to_fill().unwrap();
        assert!(!ledger.received(2 << 12, 60), "out of range");
        assert!(!ledger.received(u64::MAX, 60), "far out of range");
        assert!(!ledger.received(addr ^ (1 << 12), 60), "still in the pool");
        assert!(ledger.received(addr, 60));
        assert!(!ledger.received(addr, 60), "twice");
        ledger.completed(addr);
        assert_eq!((ledger.free(), ledger.foreign()), (1, 5));
    }

    #[test]
    fn a_length_past_the_chunk_is_refused_and_the_frame_kept() {
        let mut ledger = Ledger::new(1, 12, 0);
        let addr = ledger.lend_to_fill().unwrap();
        assert!(!ledger.received(addr + 256, 3841));
        assert_eq!(ledger.free(), 1);
    }
}
