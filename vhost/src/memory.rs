// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's memory: files of the front end's, mapped, and found by the guest's addresses or by
//! the front end's.
//!
//! A table never changes: one region more or less makes a new table, and the old one lives as long
//! as a ring uses it.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{fcntl_get_seals, fstat};
use rustix::io::Errno;

use crate::sys::{Descriptor, Mapping};

/// Regions at a time, as the front end is told.
pub const MAX_REGIONS: usize = 64;

/// Bytes of guest memory in all: more than any machine has, and few enough for the address space.
pub const MAX_BYTES: u64 = 1 << 42;

/// Where a region lies, by the front end's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionInfo {
    /// The guest's address of its first byte.
    pub guest: u64,
    /// Bytes.
    pub len: u64,
    /// The front end's own address of its first byte; rings are named by these.
    pub user: u64,
    /// Where it begins in the file.
    pub offset: u64,
}

/// Why a region is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRegion {
    /// Empty, or it ends past the end of the address space.
    #[error("the region is empty or wraps around")]
    Range,
    /// It shares addresses with another one.
    #[error("the region overlaps another one")]
    Overlap,
    /// Too many regions.
    #[error("more than {MAX_REGIONS} regions")]
    TooMany,
    /// Too many bytes.
    #[error("more than {} GiB of guest memory", MAX_BYTES >> 30)]
    TooLarge,
    /// A file whose pages another party could hold back: on a disk, a network or a FUSE server.
    #[error("guest memory must be a memfd, or a file on tmpfs or hugetlbfs (share=on)")]
    Kind,
    /// The file ends before the region does.
    #[error("the file has {has} bytes, and the region ends at {needs}")]
    Short {
        /// The file's size.
        has: u64,
        /// The region's end.
        needs: u64,
    },
    /// No such region, to be removed.
    #[error("there is no such region")]
    Unknown,
    /// The kernel refused.
    #[error("it cannot be mapped: {0}")]
    Os(Errno),
}

#[derive(Debug, Clone)]
struct Region {
    info: RegionInfo,
    map: Arc<Mapping>,
}

/// A piece of guest memory that was found in a table; only good for the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    region: u16,
    offset: usize,
    pub(crate) len: u32,
}

/// The regions of one moment.
#[derive(Debug, Clone, Default)]
pub struct GuestMemory {
    regions: Vec<Region>,
}

impl GuestMemory {
    /// This table with one region more.
    ///
    /// # Errors
    /// [`BadRegion`]; the table is as it was.
    pub fn with(&self, info: RegionInfo, file: &OwnedFd) -> Result<Self, BadRegion> {
        let infos: Vec<_> = self.regions.iter().map(|region| region.info).collect();
        check(&infos, &info)?;
        let end = info.offset.checked_add(info.len).ok_or(BadRegion::Range)?;
        let len = usize::try_from(mapped_len(file, end)?).map_err(|_| BadRegion::TooLarge)?;
        let map = Mapping::of_file(file.as_fd(), len).map_err(BadRegion::Os)?;
        let mut regions = self.regions.clone();
        regions.push(Region { info, map: Arc::new(map) });
        Ok(Self { regions })
    }

    /// This table with one region less. The offset is not compared: front ends leave it out here.
    ///
    /// # Errors
    /// [`BadRegion::Unknown`].
    pub fn without(&self, info: &RegionInfo) -> Result<Self, BadRegion> {
        let key = |info: &RegionInfo| (info.guest, info.user, info.len);
        let mut regions = self.regions.clone();
        regions.retain(|region| key(&region.info) != key(info));
        if regions.len() == self.regions.len() {
            Err(BadRegion::Unknown)
        } else {
            Ok(Self { regions })
        }
    }

    /// How many regions there are.
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there is no memory.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Whether a file became shorter under us: what is read since then is zeroes.
    #[inline]
    pub fn is_lost(&self) -> bool {
        self.regions.iter().any(|region| region.map.is_lost())
    }

    /// Appends the spans of `len` bytes at the guest's address `addr`: one, or more where it goes
    /// on in another region. Returns whether all of it is memory.
    #[inline]
    pub(crate) fn find(&self, addr: u64, len: u32, spans: &mut Vec<Span>) -> bool {
        let (mut addr, mut left) = (addr, len);
        while left > 0 {
            let holds = |region: &Region| addr.wrapping_sub(region.info.guest) < region.info.len;
            let Some(index) = self.regions.iter().position(holds) else { return false };
            let info = &self.regions[index].info;
            let at = addr - info.guest;
            let here = u64::from(left).min(info.len - at) as u32;
            spans.push(Span {
                region: index as u16,
                offset: (info.offset + at) as usize,
                len: here,
            });
            addr = addr.wrapping_add(u64::from(here));
            left -= here;
        }
        true
    }

    /// The mapping that holds `len` bytes at the front end's address `addr`, and where.
    pub(crate) fn find_user(&self, addr: u64, len: usize) -> Option<(Arc<Mapping>, usize)> {
        let holds = |region: &&Region| addr.wrapping_sub(region.info.user) < region.info.len;
        let region = self.regions.iter().find(holds)?;
        let at = addr - region.info.user;
        let fits = len as u64 <= region.info.len - at;
        fits.then(|| (Arc::clone(&region.map), (region.info.offset + at) as usize))
    }

    /// Asks the processor to fetch the first bytes of a span.
    #[inline]
    pub(crate) fn prefetch(&self, span: Span) {
        if let Some(region) = self.regions.get(usize::from(span.region)) {
            region.map.prefetch(span.offset);
        }
    }

    /// The descriptor number `index` of a table that a span holds.
    #[inline]
    pub(crate) fn descriptor(&self, table: Span, index: u32) -> Option<Descriptor> {
        let at = index as usize * 16;
        let inside = at + 16 <= table.len as usize;
        let region = self.regions.get(usize::from(table.region)).filter(|_| inside)?;
        region.map.descriptor(table.offset + at)
    }

    /// Copies the bytes of `spans` from number `skip` on into `to`, and returns how many.
    #[inline]
    pub(crate) fn read(&self, spans: &[Span], skip: usize, to: &mut [u8]) -> usize {
        let mut done = 0;
        for_each_piece(spans, skip, to.len(), |region, offset, piece| {
            let map = self.regions.get(region).map(|region| &region.map);
            let ok = map.is_some_and(|map| map.read(offset, &mut to[piece.clone()]));
            done = if ok { piece.end } else { done };
        });
        done
    }

    /// Copies `from` into the bytes of `spans` from number `skip` on, and returns how many fitted.
    #[inline]
    pub(crate) fn write(&self, spans: &[Span], skip: usize, from: &[u8]) -> usize {
        let mut done = 0;
        for_each_piece(spans, skip, from.len(), |region, offset, piece| {
            let map = self.regions.get(region).map(|region| &region.map);
            let ok = map.is_some_and(|map| map.write(offset, &from[piece.clone()]));
            done = if ok { piece.end } else { done };
        });
        done
    }
}

/// Calls `each` with region, offset there and range of the copy, until `len` bytes or all spans are
/// done.
#[inline]
fn for_each_piece(
    spans: &[Span],
    mut skip: usize,
    len: usize,
    mut each: impl FnMut(usize, usize, std::ops::Range<usize>),
) {
    let mut at = 0;
    for span in spans {
        let skipped = skip.min(span.len as usize);
        skip -= skipped;
        let here = (span.len as usize - skipped).min(len - at);
        if here > 0 {
            each(usize::from(span.region), span.offset + skipped, at..at + here);
            at += here;
        }
        if at == len {
            break;
        }
    }
}

fn check(others: &[RegionInfo], new: &RegionInfo) -> Result<(), BadRegion> {
    let ends = |start: u64, len: u64| start.checked_add(len).ok_or(BadRegion::Range);
    let (guest_end, user_end) = (ends(new.guest, new.len)?, ends(new.user, new.len)?);
    if new.len == 0 {
        return Err(BadRegion::Range);
    }
    if others.len() >= MAX_REGIONS {
        return Err(BadRegion::TooMany);
    }
    if others.iter().map(|other| other.len).sum::<u64>().saturating_add(new.len) > MAX_BYTES {
        return Err(BadRegion::TooLarge);
    }
    let overlaps = |other: &RegionInfo| {
        (new.guest < other.guest + other.len && other.guest < guest_end)
            || (new.user < other.user + other.len && other.user < user_end)
    };
    if others.iter().any(overlaps) { Err(BadRegion::Overlap) } else { Ok(()) }
}

/// The bytes to map so that the region's end is in: whole pages of the file, be they huge.
///
/// Only shmem and hugetlbfs answer F_GET_SEALS (`memfd_file_seals_ptr` in mm/memfd.c), and both
/// without asking anybody else; so it is asked first, before anything that a FUSE server could hold
/// up.
fn mapped_len(file: &OwnedFd, end: u64) -> Result<u64, BadRegion> {
    fcntl_get_seals(file).map_err(|_| BadRegion::Kind)?;
    let stat = fstat(file).map_err(BadRegion::Os)?;
    let has = u64::try_from(stat.st_size).unwrap_or(0);
    if has < end {
        return Err(BadRegion::Short { has, needs: end });
    }
    if end > 2 * MAX_BYTES {
        return Err(BadRegion::TooLarge);
    }
    let page = u64::try_from(stat.st_blksize).unwrap_or(4096).clamp(4096, 1 << 30);
    Ok(end.next_multiple_of(page))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    fn file(len: u64) -> OwnedFd {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, len).unwrap();
        file
    }

    fn info(guest: u64, len: u64, user: u64, offset: u64) -> RegionInfo {
        RegionInfo { guest, len, user, offset }
    }

    fn two() -> GuestMemory {
        let memory =
            GuestMemory::default().with(info(0, 0x2000, 0x10_0000, 0), &file(0x2000)).unwrap();
        memory.with(info(0x2000, 0x1000, 0x20_0000, 0x1000), &file(0x2000)).unwrap()
    }

    #[test]
    fn bytes_go_across_regions_that_touch() {
        let memory = two();
        let mut spans = vec![];
        assert!(memory.find(0x1ffe, 4, &mut spans));
        assert_eq!(spans.len(), 2);
        assert_eq!(memory.write(&spans, 0, &[1, 2, 3, 4, 5]), 4);
        let mut back = [0; 3];
        assert_eq!(memory.read(&spans, 1, &mut back), 3);
        assert_eq!(back, [2, 3, 4]);
    }

    #[test]
    fn what_is_not_memory_is_not_found() {
        let memory = two();
        for (addr, len) in [(0x2fff, 2), (0x3000, 1), (u64::MAX, 1), (u64::MAX, 2), (0, u32::MAX)] {
            assert!(!memory.find(addr, len, &mut vec![]), "{addr:#x} {len}");
        }
        assert!(memory.find(0, 0, &mut vec![]));
        for (addr, len) in [(0x10_0000, 0x2001), (0x20_0fff, 2), (0, 1), (0x20_0000, usize::MAX)] {
            assert!(memory.find_user(addr, len).is_none(), "{addr:#x} {len}");
        }
        assert_eq!(memory.find_user(0x20_0000, 0x1000).unwrap().1, 0x1000);
    }

    #[test]
    fn bad_regions_are_refused() {
        let (memory, file) = (two(), file(0x1000));
        let cases = [
            (info(0x8000, 0, 0x8000, 0), BadRegion::Range),
            (info(u64::MAX, 2, 0x8000, 0), BadRegion::Range),
            (info(0x8000, 0x1000, u64::MAX, 0), BadRegion::Range),
            (info(0x2fff, 0x1000, 0x8000, 0), BadRegion::Overlap),
            (info(0x8000, 0x1000, 0x20_0001, 0), BadRegion::Overlap),
            (info(0x8000, 0x1000, 0x8000, 1), BadRegion::Short { has: 0x1000, needs: 0x1001 }),
            (info(0x8000, MAX_BYTES, 0x8000 << 32, 0), BadRegion::TooLarge),
            (info(0x8000, 0x1000, 0x8000, u64::MAX), BadRegion::Range),
        ];
        for (info, why) in cases {
            assert_eq!(memory.with(info, &file).unwrap_err(), why, "{info:?}");
        }
        let elsewhere: OwnedFd = std::fs::File::open("/proc/self/maps").unwrap().into();
        assert_eq!(
            memory.with(info(0x8000, 1, 0x8000, 0), &elsewhere).unwrap_err(),
            BadRegion::Kind
        );
    }

    #[test]
    fn a_region_goes_by_its_addresses() {
        let memory = two();
        assert_eq!(memory.without(&info(0, 0x1000, 0x10_0000, 0)).unwrap_err(), BadRegion::Unknown);
        assert_eq!(memory.without(&info(0, 0x2000, 0x10_0000, 77)).unwrap().len(), 1);
    }

    #[test]
    fn there_is_a_limit_of_regions() {
        let file = file(0x1000);
        let at = |n: u64| info(n << 12, 0x1000, n << 12, 0);
        let full =
            (0..64).fold(GuestMemory::default(), |memory, n| memory.with(at(n), &file).unwrap());
        assert_eq!(full.with(at(64), &file).unwrap_err(), BadRegion::TooMany);
    }

    /// A process of its own, since the handler is the process's.
    #[test]
    fn memory_that_shrinks_is_zeroes_and_said_to_be_lost() {
        crate::catch_bus_errors().unwrap();
        let file = file(0x2000);
        let memory = GuestMemory::default().with(info(0, 0x2000, 0, 0), &file).unwrap();
        let mut spans = vec![];
        assert!(memory.find(0x1000, 8, &mut spans));
        memory.write(&spans, 0, &[7; 8]);
        ftruncate(&file, 0x1000).unwrap();
        let mut bytes = [1; 8];
        assert!(!memory.is_lost());
        assert_eq!(memory.read(&spans, 0, &mut bytes), 8);
        assert_eq!((bytes, memory.is_lost()), ([0; 8], true));
    }
}
