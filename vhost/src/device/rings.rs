// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rings of a session: how far each is set up, and its start once it is.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{Backend, Refusal, Session};
use crate::net::feature;
use crate::protocol::{Descriptor, Reader, Writer};
use crate::ring::{Addresses, MAX_SIZE, Ring, RingFeatures};

/// What comes with a ring that starts.
#[derive(Debug, Clone)]
pub struct RingSetup {
    /// Readable when the driver kicked. The front end's: only to be polled, never read.
    pub kick: Arc<OwnedFd>,
    /// Written to notify the driver. The front end's: a write may wait for ever.
    pub call: Option<Arc<OwnedFd>>,
    /// Whether it is on.
    pub enabled: bool,
    /// The features that the driver uses.
    pub features: u64,
}

/// What is known of a ring.
#[derive(Debug, Default)]
pub(super) struct Slot {
    size: u16,
    addresses: Option<Addresses>,
    kick: Option<Arc<OwnedFd>>,
    call: Option<Arc<OwnedFd>>,
    pub(super) enabled: bool,
}

/// The bit of a kick or call message that says that no descriptor comes with it.
const NO_DESCRIPTOR: u64 = 1 << 8;

impl Session {
    pub(super) fn slot(&mut self, index: u32) -> Result<&mut Slot, Refusal> {
        self.slots.get_mut(index as usize).ok_or(Refusal::Ring(index))
    }

    pub(super) fn set_size(&mut self, index: u32, size: u32) -> Result<(), Refusal> {
        let fits = size.is_power_of_two() && size <= u32::from(MAX_SIZE);
        self.slot(index)?.size = if fits { size as u16 } else { return Err(Refusal::Size(size)) };
        Ok(())
    }

    pub(super) fn set_addresses(
        &mut self,
        read: &mut Reader<'_>,
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        let (index, _flags) = (read.u32()?, read.u32()?);
        let (descriptors, used, avail) = (read.u64()?, read.u64()?, read.u64()?);
        self.slot(index)?.addresses = Some(Addresses { descriptors, avail, used });
        self.run(index as usize, backend)
    }

    /// The kick is the ring's start.
    pub(super) fn set_kick(
        &mut self,
        word: u64,
        descriptors: Vec<Descriptor>,
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        let index = (word & 0xff) as u32;
        let kick = event(word, descriptors)?.ok_or(Refusal::Polling)?;
        self.slot(index)?.kick = Some(kick);
        self.run(index as usize, backend)
    }

    pub(super) fn set_call(
        &mut self,
        word: u64,
        descriptors: Vec<Descriptor>,
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        let index = (word & 0xff) as u32;
        let call = event(word, descriptors)?;
        self.slot(index)?.call.clone_from(&call);
        backend.notify_by(index as usize, call)
    }

    pub(super) fn set_enabled(
        &mut self,
        index: u32,
        on: bool,
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        self.slot(index)?.enabled = on;
        backend.enable(index as usize, on)
    }

    /// Stops a ring for good: its descriptors go with it.
    pub(super) fn stop(
        &mut self,
        index: u32,
        backend: &mut impl Backend,
    ) -> Result<Vec<u8>, Refusal> {
        let slot = self.slot(index)?;
        (slot.kick, slot.call) = (None, None);
        let position = backend.stop(index as usize)?.unwrap_or_else(|| self.rest(index as usize));
        Ok(Writer::default().u32(index).u32(u32::from(position)).0)
    }

    /// Where a ring that does not run would go on.
    fn rest(&self, index: usize) -> u16 {
        self.find(index).map_or(0, |ring| ring.position())
    }

    fn find(&self, index: usize) -> Option<Ring> {
        let slot = self.slots.get(index)?;
        let features = RingFeatures {
            event_idx: self.features & feature::EVENT_IDX != 0,
            indirect: self.features & feature::INDIRECT_DESC != 0,
        };
        Ring::new(Arc::clone(&self.memory), slot.addresses?, slot.size, features)
    }

    /// Starts a ring, anew if it runs, once all of it is known.
    fn run(&mut self, index: usize, backend: &mut impl Backend) -> Result<(), Refusal> {
        let Slot { kick: Some(kick), addresses: Some(_), size: 1.., call, enabled } =
            &self.slots[index]
        else {
            return Ok(());
        };
        let (kick, call, enabled) = (Arc::clone(kick), call.clone(), *enabled);
        backend.stop(index)?;
        let ring = self.find(index).ok_or(Refusal::Place(index))?;
        backend.start(index, ring, RingSetup { kick, call, enabled, features: self.features })
    }

    /// Every ring anew, for what concerns all of them. Those that are in no memory now stay
    /// stopped, until there is memory again.
    pub(super) fn restart(&mut self, backend: &mut impl Backend) -> Result<(), Refusal> {
        for index in 0..self.slots.len() {
            match self.run(index, backend) {
                Ok(()) | Err(Refusal::Place(_)) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// The end of the connection: every ring stops.
    pub fn end(&mut self, backend: &mut impl Backend) {
        for index in 0..self.slots.len() {
            // A ring that is held up is let go by its owner's watch, and its memory stays mapped
            // until then.
            let _ = backend.stop(index);
        }
    }
}

fn event(word: u64, descriptors: Vec<Descriptor>) -> Result<Option<Arc<OwnedFd>>, Refusal> {
    let count = descriptors.len();
    let mut descriptors = descriptors.into_iter();
    match (word & NO_DESCRIPTOR != 0, descriptors.next()) {
        (true, _) => Ok(None),
        (false, Some(Descriptor::Event(descriptor))) if count == 1 => {
            Ok(Some(Arc::new(descriptor)))
        }
        (false, Some(_)) if count == 1 => Err(Refusal::Event),
        _ => Err(Refusal::Descriptors(count, 1)),
    }
}
