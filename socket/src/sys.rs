// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mapped memory: the UMEM and the four rings. All of the crate's `unsafe` is here.
//!
//! What it offers is safe: a slice of the UMEM is bounds-checked and borrows the UMEM, a ring slot
//! is addressed by an index that is masked to the ring, and the shared indices are atomics.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::net::xdp::{XdpDescOptions, XdpRingOffset};

/// A mapping that is unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread; it is reached only through its one
// owner.
unsafe impl Send for Mapping {}

impl Mapping {
    fn anonymous(len: usize) -> Result<Self, Errno> {
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in
        // use.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len, read_write(), flags) }?;
        Self::new(base.cast(), len)
    }

    fn of_socket(fd: BorrowedFd<'_>, len: usize, offset: u64) -> Result<Self, Errno> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in
        // use.
        let base = unsafe { mmap(std::ptr::null_mut(), len, read_write(), flags, fd, offset) }?;
        Self::new(base.cast(), len)
    }

    fn new(base: *mut u8, len: usize) -> Result<Self, Errno> {
        Ok(Self { base: NonNull::new(base).ok_or(Errno::FAULT)?, len })
    }

    /// The pointer to a `T` at `offset`, if all of `count` of them lie in the mapping and are
    /// aligned.
    fn at<T>(&self, offset: u64, count: usize) -> Result<NonNull<T>, Errno> {
        let start = usize::try_from(offset).map_err(|_| Errno::OVERFLOW)?;
        let bytes = count.checked_mul(size_of::<T>()).ok_or(Errno::OVERFLOW)?;
        let end = start.checked_add(bytes).ok_or(Errno::OVERFLOW)?;
        if end > self.len || start % align_of::<T>() != 0 {
            return Err(Errno::FAULT);
        }
        // SAFETY: `start` was just checked to lie inside the mapping.
        Ok(unsafe { self.base.add(start) }.cast())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no reference into it outlives its owner.
        // An error can only mean that the arguments are wrong, and leaves the memory mapped.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

fn read_write() -> ProtFlags {
    ProtFlags::READ | ProtFlags::WRITE
}

/// The memory of the frames.
///
/// Callers borrow only frames which the ledger says are ours, so the kernel does not write to them
/// meanwhile.
#[derive(Debug)]
pub(crate) struct Umem(Mapping);

impl Umem {
    pub(crate) fn new(len: usize) -> Result<Self, Errno> {
        Mapping::anonymous(len).map(Self)
    }

    pub(crate) fn address(&self) -> u64 {
        self.0.base.as_ptr() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    /// The bytes at `start`; empty if they do not lie in the UMEM.
    #[inline]
    pub(crate) fn bytes(&self, start: usize, len: usize) -> &[u8] {
        if start > self.0.len || len > self.0.len - start {
            return &[];
        }
        // SAFETY: the range was just checked, and the mapping lives as long as the borrow.
        let first = unsafe { self.0.base.add(start) };
        // SAFETY: as above; anonymous memory is initialised, and a shared borrow forbids writes
        // from this side.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), len) }
    }

    /// The bytes at `start`, to be written; empty if they do not lie in the UMEM.
    #[inline]
    pub(crate) fn bytes_mut(&mut self, start: usize, len: usize) -> &mut [u8] {
        if start > self.0.len || len > self.0.len - start {
            return &mut [];
        }
        // SAFETY: the range was just checked, and the mapping lives as long as the borrow.
        let first = unsafe { self.0.base.add(start) };
        // SAFETY: as above; the exclusive borrow of the UMEM makes this the only slice into it.
        unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), len) }
    }
}

/// An entry of the receive and the transmit ring (`struct xdp_desc` in `linux/if_xdp.h`).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Descriptor {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) options: u32,
}

impl Descriptor {
    /// A buffer of a frame; `more` follow.
    pub(crate) fn part(addr: u64, len: u32, more: bool) -> Self {
        Self { addr, len, options: if more { XdpDescOptions::XDP_PKT_CONTD.bits() } else { 0 } }
    }

    /// Returns whether the frame goes on in the next descriptor.
    #[inline]
    pub(crate) fn continues(self) -> bool {
        self.options & XdpDescOptions::XDP_PKT_CONTD.bits() != 0
    }
}

/// What a ring may hold: plain data for which each bit pattern is valid.
pub(crate) trait Slot: Copy {}
impl Slot for u64 {}
impl Slot for Descriptor {}

/// The shared memory of one ring.
#[derive(Debug)]
pub(crate) struct RingMemory<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: Option<NonNull<AtomicU32>>,
    slots: NonNull<T>,
    mask: u32,
    _map: Mapping,
    _slots: PhantomData<T>,
}

// SAFETY: the pointers lead into the mapping that travels with them, and the owner is one thread at
// a time.
unsafe impl<T: Slot> Send for RingMemory<T> {}

impl<T: Slot> RingMemory<T> {
    /// Maps the ring at page offset `page` with `size` entries, a power of two.
    pub(crate) fn map(
        fd: BorrowedFd<'_>,
        page: u64,
        at: &XdpRingOffset,
        size: u32,
    ) -> Result<Self, Errno> {
        let len =
            usize::try_from(at.desc).map_err(|_| Errno::OVERFLOW)? + size as usize * size_of::<T>();
        let map = Mapping::of_socket(fd, len, page)?;
        Ok(Self {
            producer: map.at(at.producer, 1)?,
            consumer: map.at(at.consumer, 1)?,
            flags: at.flags.map(|offset| map.at(offset, 1)).transpose()?,
            slots: map.at(at.desc, size as usize)?,
            mask: size - 1,
            _map: map,
            _slots: PhantomData,
        })
    }

    /// How far the producer has written; what it wrote is visible after this.
    #[inline]
    pub(crate) fn produced(&self) -> u32 {
        // SAFETY: the pointer leads into the mapping that `self` owns, checked in `map`.
        unsafe { self.producer.as_ref() }.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn publish_produced(&self, index: u32) {
        // SAFETY: the pointer leads into the mapping that `self` owns, checked in `map`.
        unsafe { self.producer.as_ref() }.store(index, Ordering::Release);
    }

    /// How far the consumer has read; its slots may be written again after this.
    #[inline]
    pub(crate) fn consumed(&self) -> u32 {
        // SAFETY: the pointer leads into the mapping that `self` owns, checked in `map`.
        unsafe { self.consumer.as_ref() }.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn publish_consumed(&self, index: u32) {
        // SAFETY: the pointer leads into the mapping that `self` owns, checked in `map`.
        unsafe { self.consumer.as_ref() }.store(index, Ordering::Release);
    }

    /// The ring's flags word; 0 before Linux 5.4, which has none.
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        // SAFETY: the pointer leads into the mapping that `self` owns, checked in `map`.
        self.flags.map_or(0, |flags| unsafe { flags.as_ref() }.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn read(&self, index: u32) -> T {
        // SAFETY: the masked index is below the size, and all the slots were checked to lie in the
        // mapping.
        let slot = unsafe { self.slots.add((index & self.mask) as usize) };
        // SAFETY: as above. Volatile: the slot is read once, whatever another holder of the ring
        // writes there.
        unsafe { slot.as_ptr().read_volatile() }
    }

    #[inline]
    pub(crate) fn write(&self, index: u32, value: T) {
        // SAFETY: the masked index is below the size, and all the slots were checked to lie in the
        // mapping.
        let slot = unsafe { self.slots.add((index & self.mask) as usize) };
        // SAFETY: as above; the slot is this side's until the producer's index is published.
        unsafe { slot.as_ptr().write_volatile(value) }
    }
}
