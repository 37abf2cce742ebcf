// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program that is pinned, with what its link and its program say of themselves.

use xsk_bpf::{Error, Redirect, Step};

use crate::bpf_call::{privileged, raised};
use crate::error::Failure;
use crate::leases::key::Key;
use crate::leases::pins::folder;

pub(super) struct Pinned {
    pub(super) redirect: Redirect,
    pub(super) prog_id: u32,
    pub(super) frags: bool,
}

impl Pinned {
    /// `None` if a pin is missing.
    pub(super) fn open(key: Key) -> Result<Option<Self>, Failure> {
        let opened = raised(|| {
            let redirect = Redirect::open(&folder(key))?;
            Ok(Self { prog_id: redirect.link.info()?.prog_id, frags: redirect.frags()?, redirect })
        })?;
        match opened {
            Ok(pinned) => Ok(Some(pinned)),
            Err(Error { step: Step::OpenPin, errno: libc::ENOENT }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn is_unoccupied(&self) -> Result<bool, Failure> {
        privileged(|| self.redirect.slots.occupied_of(&self.redirect.map))
            .map(|slots| slots.is_empty())
    }

    /// Takes the program off, wherever it is by now, and removes the pins.
    pub(super) fn remove(&self, key: Key) -> Result<(), Failure> {
        privileged(|| self.redirect.link.detach())?;
        unpin(key)
    }
}

/// Removes the pins of an interface.
pub(super) fn unpin(key: Key) -> Result<(), Failure> {
    Ok(Redirect::unpin(&folder(key))?)
}
