// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three parts of a split virtqueue in guest memory (virtio 1.2, 2.7): descriptor table, driver
//! area ("avail") and device area ("used"). Numbers are little-endian.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::Mapping;

/// An entry of a descriptor table, as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) flags: u16,
    pub(crate) next: u16,
}

/// Eight bytes at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Word(u64);

impl Descriptor {
    /// Reads 16 bytes by two volatile loads, so that what is checked is what is used.
    ///
    /// # Safety
    /// The bytes must lie in a mapping.
    #[inline]
    pub(super) unsafe fn read(at: NonNull<u8>) -> Self {
        let word = at.cast::<Word>();
        // SAFETY: by the contract the bytes can be read; `Word` has no alignment.
        let Word(addr) = unsafe { word.read_volatile() };
        // SAFETY: by the contract both words lie in the mapping.
        let second = unsafe { word.add(1) };
        // SAFETY: as the first.
        let Word(rest) = unsafe { second.read_volatile() };
        let (addr, rest) = (u64::from_le(addr), u64::from_le(rest));
        Self { addr, len: rest as u32, flags: (rest >> 32) as u16, next: (rest >> 48) as u16 }
    }
}

/// One part, kept mapped.
#[derive(Debug)]
struct Part {
    start: NonNull<u8>,
    _map: Arc<Mapping>,
}

impl Part {
    fn new(map: Arc<Mapping>, offset: usize, len: usize, align: usize) -> Option<Self> {
        let start = map.at(offset, len)?;
        (start.addr().get() % align == 0).then_some(Self { start, _map: map })
    }
}

/// The shared memory of one virtqueue.
#[derive(Debug)]
pub(crate) struct RingMemory {
    descriptors: Part,
    avail: Part,
    used: Part,
    size: u16,
}

// SAFETY: the pointers lead into mappings that travel with them, and the owner is one thread at a
// time.
unsafe impl Send for RingMemory {}

/// Where a part lies: its mapping and the offset there.
pub(crate) type Place = (Arc<Mapping>, usize);

impl RingMemory {
    /// Bytes of the three parts for `size` descriptors, with the words for EVENT_IDX.
    pub(crate) fn lengths(size: u16) -> [usize; 3] {
        let size = usize::from(size);
        [16 * size, 6 + 2 * size, 6 + 8 * size]
    }

    /// `size` must be a power of two. Nothing if a part is misaligned or not in its mapping.
    pub(crate) fn new(descriptors: Place, avail: Place, used: Place, size: u16) -> Option<Self> {
        let [for_descriptors, for_avail, for_used] = Self::lengths(size);
        if !size.is_power_of_two() {
            return None;
        }
        Some(Self {
            descriptors: Part::new(descriptors.0, descriptors.1, for_descriptors, 16)?,
            avail: Part::new(avail.0, avail.1, for_avail, 2)?,
            used: Part::new(used.0, used.1, for_used, 4)?,
            size,
        })
    }

    #[inline]
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// The 16-bit word number `index` of a part.
    #[inline]
    fn word(&self, part: &Part, index: usize) -> &AtomicU16 {
        // SAFETY: callers name words that `new` has checked to lie in the part.
        let at = unsafe { part.start.cast::<u16>().add(index) };
        // SAFETY: as above; the part is aligned to 2 at least, is mapped as long as `self`, and the
        // guest's accesses are atomic to the processor.
        unsafe { AtomicU16::from_ptr(at.as_ptr()) }
    }

    #[inline]
    fn load(&self, part: &Part, index: usize, ordering: Ordering) -> u16 {
        u16::from_le(self.word(part, index).load(ordering))
    }

    #[inline]
    fn store(&self, part: &Part, index: usize, value: u16, ordering: Ordering) {
        self.word(part, index).store(value.to_le(), ordering);
    }

    #[inline]
    fn slot(&self, index: u16) -> usize {
        usize::from(index & (self.size - 1))
    }

    /// Whether the driver asks for no interrupts (VIRTQ_AVAIL_F_NO_INTERRUPT).
    #[inline]
    pub(crate) fn no_interrupt(&self) -> bool {
        self.load(&self.avail, 0, Ordering::Relaxed) & 1 != 0
    }

    /// How far the driver has written; what it wrote is visible after this.
    #[inline]
    pub(crate) fn avail_index(&self) -> u16 {
        self.load(&self.avail, 1, Ordering::Acquire)
    }

    /// The head of a chain.
    #[inline]
    pub(crate) fn avail_entry(&self, index: u16) -> u16 {
        self.load(&self.avail, 2 + self.slot(index), Ordering::Relaxed)
    }

    /// The index at which the driver wants an interrupt (`used_event`).
    #[inline]
    pub(crate) fn used_event(&self) -> u16 {
        self.load(&self.avail, 2 + usize::from(self.size), Ordering::Relaxed)
    }

    /// The entry at `index`, modulo the size.
    #[inline]
    pub(crate) fn descriptor(&self, index: u16) -> Descriptor {
        // SAFETY: the slot is below the size, and `new` has checked that as many entries lie in the
        // part.
        let at = unsafe { self.descriptors.start.add(16 * self.slot(index)) };
        // SAFETY: as above.
        unsafe { Descriptor::read(at) }
    }

    /// How far this side had written, by what stands in the ring.
    pub(crate) fn used_index(&self) -> u16 {
        self.load(&self.used, 1, Ordering::Relaxed)
    }

    /// Writes an entry, to be seen after [`publish_used`](Self::publish_used).
    #[inline]
    pub(crate) fn write_used(&self, index: u16, id: u16, len: u32) {
        // SAFETY: the slot is below the size, and `new` has checked that as many entries lie in the
        // part.
        let at = unsafe { self.used.start.add(4 + 8 * self.slot(index)) };
        let value = Word((u64::from(id) | u64::from(len) << 32).to_le());
        // SAFETY: as above; `Word` has no alignment.
        unsafe { at.cast::<Word>().write_volatile(value) };
    }

    #[inline]
    pub(crate) fn publish_used(&self, index: u16) {
        self.store(&self.used, 1, index, Ordering::Release);
    }

    /// Asks for no kicks, or for kicks again (VIRTQ_USED_F_NO_NOTIFY).
    #[inline]
    pub(crate) fn set_no_notify(&self, on: bool) {
        self.store(&self.used, 0, u16::from(on), Ordering::Relaxed);
    }

    /// Asks for a kick when the driver has written past this index (`avail_event`).
    #[inline]
    pub(crate) fn set_avail_event(&self, index: u16) {
        self.store(&self.used, 2 + 4 * usize::from(self.size), index, Ordering::Relaxed);
    }
}
