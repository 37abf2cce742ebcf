// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands on an interface, from the load to the last pin.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use libbpf_rs::skel::{OpenSkel, SkelBuilder};

use crate::error::{At, at};
use crate::pins::{self, Pin};
use crate::{AttachMode, Error, SlotProbe, Step, XdpLink, XskMap, sys};

#[allow(unsafe_code, missing_docs, clippy::all, unreachable_pub, unused_qualifications)]
#[allow(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::unwrap_used
)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/xsk.skel.rs"));
}

/// The name of the program that takes frames of several buffers.
const FRAGS: &str = "xsk_frags";

/// Map and programs, loaded and not yet attached.
#[derive(Debug)]
pub struct Loaded {
    map: OwnedFd,
    program: OwnedFd,
    slots: OwnedFd,
}

/// The map, the program, the link and the probe of one interface.
#[derive(Debug)]
pub struct Redirect {
    /// Queue to socket.
    pub map: XskMap,
    /// Reads the map's slots.
    pub slots: SlotProbe,
    /// Holds the program on the interface.
    pub link: XdpLink,
    program: OwnedFd,
}

impl Redirect {
    /// Creates a map of `queues` slots and loads the programs.
    ///
    /// # Errors
    /// [`Step::Open`] or [`Step::Load`]; EPERM without CAP_BPF and CAP_NET_ADMIN.
    pub fn load(queues: u32, frags: bool) -> Result<Loaded, Error> {
        libbpf_rs::set_print(None);
        let mut storage = MaybeUninit::uninit();
        let mut open =
            skeleton::XskSkelBuilder::default().open(&mut storage).map_err(at(Step::Open))?;
        open.progs.xsk_redirect.set_autoload(!frags);
        open.progs.xsk_frags.set_autoload(frags);
        open.maps.xsks.set_max_entries(queues).map_err(at(Step::Open))?;
        let loaded = open.load().map_err(at(Step::Load))?;
        let program =
            if frags { loaded.progs.xsk_frags.as_fd() } else { loaded.progs.xsk_redirect.as_fd() };
        Ok(Loaded {
            map: loaded.maps.xsks.as_fd().try_clone_to_owned().at(Step::Load)?,
            program: program.try_clone_to_owned().at(Step::Load)?,
            slots: loaded.progs.xsk_slots.as_fd().try_clone_to_owned().at(Step::Load)?,
        })
    }

    /// Opens the objects that are pinned in `dir`.
    ///
    /// # Errors
    /// [`Step::OpenPin`]: ENOENT where nothing, or not everything, is pinned there.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let open = |pin: Pin| sys::open_pin(&pin.path(dir)).at(Step::OpenPin);
        Ok(Self {
            link: XdpLink::from_fd(open(Pin::Link)?),
            program: open(Pin::Program)?,
            slots: SlotProbe::from_fd(open(Pin::Slots)?),
            map: XskMap::from_fd(open(Pin::Map)?),
        })
    }

    /// Opens the link alone that is pinned in `dir`.
    ///
    /// # Errors
    /// [`Step::OpenPin`].
    pub fn open_link(dir: &Path) -> Result<XdpLink, Error> {
        sys::open_pin(&Pin::Link.path(dir)).at(Step::OpenPin).map(XdpLink::from_fd)
    }

    /// Returns whether the program takes frames of several buffers.
    ///
    /// # Errors
    /// [`Step::Info`].
    pub fn frags(&self) -> Result<bool, Error> {
        Ok(sys::prog_name(self.program.as_fd()).at(Step::Info)? == FRAGS)
    }

    /// Pins everything in the folder `dir`, which exists and is empty; on an error nothing stays
    /// pinned.
    ///
    /// # Errors
    /// [`Step::Pin`].
    pub fn pin(&self, dir: &Path) -> Result<(), Error> {
        let pinned = Pin::Map
            .make(dir, self.map.as_fd())
            .and_then(|()| Pin::Program.make(dir, self.program.as_fd()))
            .and_then(|()| Pin::Slots.make(dir, self.slots.as_fd()))
            .and_then(|()| Pin::Link.make(dir, self.link.as_fd()));
        if pinned.is_err() {
            for pin in Pin::REMOVAL {
                // The first error is the one to report; what cannot be removed is residue without a
                // link.
                let _ = pin.remove(dir);
            }
        }
        pinned
    }

    /// Removes the pins in `dir` and the folder, as far as they exist, the link first.
    ///
    /// # Errors
    /// [`Step::Unpin`], the first one; what comes after it is tried all the same.
    pub fn unpin(dir: &Path) -> Result<(), Error> {
        let mut first = Ok(());
        for pin in Pin::REMOVAL {
            first = first.and(pin.remove(dir));
        }
        first.and(pins::remove_folder(dir))
    }
}

impl Loaded {
    /// Attaches the program to the interface.
    ///
    /// # Errors
    /// What was loaded comes back with the error, so that another mode can be tried.
    /// [`Step::Attach`]: EBUSY or EEXIST where another program is there, EOPNOTSUPP where the
    /// driver has no native XDP, and the driver's own.
    pub fn attach(self, ifindex: u32, mode: AttachMode) -> Result<Redirect, (Self, Error)> {
        match XdpLink::create(self.program.as_fd(), ifindex, mode) {
            Ok(link) => Ok(Redirect {
                map: XskMap::from_fd(self.map),
                slots: SlotProbe::from_fd(self.slots),
                link,
                program: self.program,
            }),
            Err(error) => Err((self, error)),
        }
    }
}
