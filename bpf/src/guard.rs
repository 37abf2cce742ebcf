// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bind guard: one LSM program for the whole machine, with a stamp on each socket and a map of
//! the leases that live. Loaded and pinned once, and from then on opened from its pins.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use libbpf_rs::skel::{OpenSkel, SkelBuilder};

use crate::error::{At, at};
use crate::pins::GuardPin;
use crate::{Error, Step, sys};

#[allow(unsafe_code, missing_docs, clippy::all, unreachable_pub, unused_qualifications)]
#[allow(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::unwrap_used
)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/guard.skel.rs"));
}

/// `struct place` of guard.bpf.c.
const PLACE: usize = 16;
/// `struct stamp` of guard.bpf.c.
const STAMP: usize = 24;
const LEASE: usize = 8;
const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
const BPF_ANY: u64 = 0;

/// A queue of an interface of a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Any number that is the namespace's own.
    pub netns: u64,
    /// The interface.
    pub ifindex: u32,
    /// The queue.
    pub queue: u32,
}

impl Place {
    fn bytes(self) -> [u8; PLACE] {
        let mut bytes = [0; PLACE];
        bytes[..8].copy_from_slice(&self.netns.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.ifindex.to_ne_bytes());
        bytes[12..].copy_from_slice(&self.queue.to_ne_bytes());
        bytes
    }

    fn read(bytes: [u8; PLACE]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            netns: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            ifindex: u32::from_ne_bytes([i, j, k, l]),
            queue: u32::from_ne_bytes([m, n, o, p]),
        }
    }
}

/// The maps of a guard that is attached.
#[derive(Debug)]
pub struct Guard {
    stamps: OwnedFd,
    /// Which lease lives where.
    pub leases: LivingLeases,
}

/// Which lease lives where.
#[derive(Debug)]
pub struct LivingLeases(OwnedFd);

impl Guard {
    /// Returns whether a guard is pinned in `dir`, for as little as a look at the file system.
    #[must_use]
    pub fn is_pinned(dir: &Path) -> bool {
        GuardPin::Link.path(dir).symlink_metadata().is_ok()
    }

    /// Loads the guard, attaches it, and pins it in the folder `dir`, which exists and has nothing
    /// but residue.
    ///
    /// # Errors
    /// [`Step::GuardLoad`]: EPERM without CAP_BPF and CAP_PERFMON, and where the kernel allows
    /// nobody; [`Step::GuardAttach`]; [`Step::Pin`], [`Step::Unpin`].
    pub fn load(dir: &Path) -> Result<(), Error> {
        for pin in GuardPin::REMOVAL {
            pin.remove(dir)?;
        }
        libbpf_rs::set_print(None);
        let mut storage = MaybeUninit::uninit();
        let builder = skeleton::GuardSkelBuilder::default();
        let open = builder.open(&mut storage).map_err(at(Step::Open))?;
        let loaded = open.load().map_err(at(Step::GuardLoad))?;
        let link = loaded.progs.guard_bind.attach_lsm().map_err(at(Step::GuardAttach))?;
        GuardPin::Stamps.make(dir, loaded.maps.stamps.as_fd())?;
        GuardPin::Leases.make(dir, loaded.maps.leases.as_fd())?;
        GuardPin::Link.make(dir, link.as_fd())
    }

    /// Opens the guard that is pinned in `dir`.
    ///
    /// # Errors
    /// [`Step::OpenPin`]: ENOENT where none is pinned. [`Step::Info`]: EINVAL where it is another
    /// one.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let open = |pin: GuardPin| sys::open_pin(&pin.path(dir)).at(Step::OpenPin);
        // It is attached as long as its link is pinned, and the link was pinned last.
        open(GuardPin::Link)?;
        let (stamps, leases) = (open(GuardPin::Stamps)?, open(GuardPin::Leases)?);
        check_sizes(stamps.as_fd(), (4, STAMP))?;
        check_sizes(leases.as_fd(), (PLACE, LEASE))?;
        Ok(Self { stamps, leases: LivingLeases(leases) })
    }

    /// Stamps a socket: from now on it binds to `place` alone, and while `lease` lives there.
    ///
    /// # Errors
    /// [`Step::Stamp`].
    pub fn stamp(&self, socket: BorrowedFd<'_>, place: Place, lease: u64) -> Result<(), Error> {
        let mut stamp = [0; STAMP];
        stamp[..PLACE].copy_from_slice(&place.bytes());
        stamp[PLACE..].copy_from_slice(&lease.to_ne_bytes());
        let key = socket.as_raw_fd().to_ne_bytes();
        sys::map_update(self.stamps.as_fd(), &key, &stamp, BPF_ANY).at(Step::Stamp)
    }
}

impl LivingLeases {
    /// Has `lease` live at `place`, and whichever lived there before no more.
    ///
    /// # Errors
    /// [`Step::Living`]: E2BIG when the map is full.
    pub fn begin(&self, place: Place, lease: u64) -> Result<(), Error> {
        sys::map_update(self.0.as_fd(), &place.bytes(), &lease.to_ne_bytes(), BPF_ANY)
            .at(Step::Living)
    }

    /// Has no lease live at `place`.
    ///
    /// # Errors
    /// [`Step::Living`]; none where none did.
    pub fn end(&self, place: Place) -> Result<(), Error> {
        match sys::map_delete(self.0.as_fd(), &place.bytes()).at(Step::Living) {
            Err(error) if error.errno == ENOENT => Ok(()),
            result => result,
        }
    }

    /// Every place where a lease lives.
    ///
    /// # Errors
    /// [`Step::Living`].
    pub fn places(&self) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        let mut last = None;
        while let Some(next) =
            sys::map_next_key::<PLACE>(self.0.as_fd(), last.as_ref()).at(Step::Living)?
        {
            places.push(Place::read(next));
            last = Some(next);
        }
        Ok(places)
    }
}

/// A guard of another make has other structures; its folder has another name, so this never happens
/// by itself.
fn check_sizes(map: BorrowedFd<'_>, sizes: (usize, usize)) -> Result<(), Error> {
    if sys::map_sizes(map).at(Step::Info)? == sizes {
        Ok(())
    } else {
        Err(Error { step: Step::Info, errno: EINVAL })
    }
}
