// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file of the front end's, mapped: the guest's memory.

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

use super::bus::Watch;
use super::ring::Descriptor;

/// A shared mapping of a whole file, unmapped when dropped. The watch goes first: what is mapped
/// next at the same place is not its to replace.
#[derive(Debug)]
pub(crate) struct Mapping {
    watch: Watch,
    pages: Pages,
}

/// The address space of a mapping.
#[derive(Debug)]
struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread.
unsafe impl Send for Pages {}
// SAFETY: it is shared memory, which others change at any time anyhow; no reference into it is ever
// made.
unsafe impl Sync for Pages {}

impl Mapping {
    /// Maps the first `len` bytes, which must be a multiple of the file's page size.
    pub(crate) fn of_file(file: BorrowedFd<'_>, len: usize) -> Result<Self, Errno> {
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in
        // use.
        let start = unsafe { mmap(std::ptr::null_mut(), len, access, flags, file, 0) }?;
        let pages = Pages { base: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, len };
        // SAFETY: the range is the mapping's; the advice changes what a core dump holds and nothing
        // else.
        unsafe { madvise(start, len, Advice::LinuxDontDump) }?;
        let watch = Watch::new(start as usize, len).ok_or(Errno::NOMEM)?;
        Ok(Self { watch, pages })
    }

    /// The pointer to `len` bytes at `offset`, if they lie in the mapping.
    #[inline]
    pub(super) fn at(&self, offset: usize, len: usize) -> Option<NonNull<u8>> {
        let Pages { base, len: all } = self.pages;
        if offset > all || len > all - offset {
            return None;
        }
        // SAFETY: the offset was just checked to lie in the mapping.
        Some(unsafe { base.add(offset) })
    }

    /// Copies bytes out. Returns whether they lie in the mapping.
    ///
    /// The guest may write to them meanwhile. Nothing is decided by the original afterwards, so a
    /// torn copy is as good as any bytes that a guest can choose.
    #[inline]
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) -> bool {
        let Some(from) = self.at(offset, to.len()) else { return false };
        // SAFETY: the range was just checked, and `to` is memory of this process that no mapping
        // overlaps.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr(), to.len()) };
        true
    }

    /// Copies bytes in. Returns whether they fit in the mapping.
    #[inline]
    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> bool {
        let Some(to) = self.at(offset, from.len()) else { return false };
        // SAFETY: the range was just checked, and `from` is memory of this process that no mapping
        // overlaps.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), from.len()) };
        true
    }

    /// Reads a descriptor, aligned or not.
    #[inline]
    pub(crate) fn descriptor(&self, offset: usize) -> Option<Descriptor> {
        let at = self.at(offset, size_of::<Descriptor>())?;
        // SAFETY: the range was just checked.
        Some(unsafe { Descriptor::read(at) })
    }

    /// Asks the processor to fetch what is there.
    #[inline]
    pub(crate) fn prefetch(&self, offset: usize) {
        #[cfg(target_arch = "x86_64")]
        if let Some(at) = self.at(offset, 1) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch has no effect but on the cache, and SSE is part of x86_64.
            unsafe { _mm_prefetch(at.as_ptr().cast(), _MM_HINT_T0) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }

    /// Whether the file became shorter under us, and zeroes are there now.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.watch.is_lost()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and every pointer into it is kept beside an
        // `Arc` of it. An error can only mean that the arguments are wrong, and leaves the memory
        // mapped.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
