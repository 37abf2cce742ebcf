// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the end of a lease needs of the program. All of it is open before the process gives up the
//! right to open anything.

use xsk_bpf::{Error, PinFolder, Redirect, SlotProbe, XdpLink, XskMap};

use crate::failpoints::failpoint;
use crate::leases::key::Key;
use crate::leases::pins::{folder, log_unpinned};

#[derive(Debug)]
pub(super) struct Objects {
    pub(super) map: XskMap,
    pub(super) slots: SlotProbe,
    /// `None` if this process could not detach it without a capability, before Linux 5.19: it goes
    /// with its last pin there, and an open descriptor would keep it.
    link: Option<XdpLink>,
    pub(super) program: u32,
    /// `None` if it could not be opened: then the grant fails, and finds it by its name.
    pub(super) pins: Option<PinFolder>,
}

impl Objects {
    /// Takes over what stands on the interface. The error is that of opening the folder of the
    /// pins; the objects are to be kept all the same, so that the roll-back has them.
    pub(super) fn new(key: Key, redirect: Redirect, program: u32) -> (Self, Result<(), Error>) {
        let Redirect { map, slots, link, .. } = redirect;
        let link = map.is_changeable().then_some(link);
        let (pins, opened) = match PinFolder::open(&folder(key)) {
            Ok(pins) => (Some(pins), Ok(())),
            Err(error) => (None, Err(error)),
        };
        (Self { map, slots, link, program, pins }, opened)
    }

    /// Returns whether the program is on an interface, in whichever namespace that is by now.
    /// Before Linux 5.19 a keeper is not told.
    pub(super) fn is_attached(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.info().is_ok_and(|info| info.ifindex != 0))
    }

    /// Returns whether every slot that can be read is empty. Before Linux 6.1 the slots cannot be
    /// read without a capability; then the locks decide alone.
    pub(super) fn is_unoccupied(&self) -> bool {
        match self.slots.occupied_of(&self.map) {
            Ok(occupied) => occupied.is_empty(),
            Err(error) => error.errno == libc::EPERM,
        }
    }

    /// Takes the program off the interface, wherever that is by now, and removes its pins. The
    /// interface's lock is held.
    pub(super) fn remove(&self, key: Key) {
        if let Some(link) = &self.link {
            // If the detach is refused, the link still goes with its last descriptor.
            let _ = link.detach();
            failpoint!("end-detached");
        }
        log_unpinned(
            key,
            self.pins.as_ref().map_or_else(|| Redirect::unpin(&folder(key)), PinFolder::unpin),
        );
    }
}
