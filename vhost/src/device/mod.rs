// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection's state: what was negotiated, the memory, and how far each ring is set up.
//!
//! [`Session::handle`] carries out one message. Rings that are ready go to a [`Backend`], which
//! moves the frames; whatever changes a ring stops it first and starts it anew.
#![forbid(unsafe_code)]

mod refusal;
mod rings;

use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use refusal::{Refusal, Refused};
pub use rings::RingSetup;

use crate::memory::{BadRegion, GuestMemory, MAX_REGIONS};
use crate::net::{NetConfig, feature};
use crate::protocol::{Code, Descriptor, Message, Reader, Writer};
use crate::ring::Ring;
use rings::Slot;

/// What moves the frames.
pub trait Backend {
    /// Puts a ring to work.
    ///
    /// # Errors
    /// [`Refusal::HeldUp`].
    fn start(&mut self, index: usize, ring: Ring, setup: RingSetup) -> Result<(), Refusal>;

    /// Takes a ring back, and returns its position; nothing if it did not run. When this returns,
    /// nobody touches the ring's memory any more.
    ///
    /// # Errors
    /// [`Refusal::HeldUp`].
    fn stop(&mut self, index: usize) -> Result<Option<u16>, Refusal>;

    /// Switches a running ring on or off. One that is off supplies nothing, and discards what the
    /// driver sends.
    ///
    /// # Errors
    /// [`Refusal::HeldUp`].
    fn enable(&mut self, index: usize, on: bool) -> Result<(), Refusal>;

    /// Changes how a running ring's driver is notified.
    ///
    /// # Errors
    /// [`Refusal::HeldUp`].
    fn notify_by(&mut self, index: usize, call: Option<Arc<OwnedFd>>) -> Result<(), Refusal>;
}

/// What the device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// virtio features; [`feature::PROTOCOL`] is added.
    pub features: u64,
    /// Protocol features.
    pub protocol: u64,
    /// Pairs of queues.
    pub pairs: usize,
    /// The configuration space.
    pub config: NetConfig,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    offer: Offer,
    features: u64,
    memory: Arc<GuestMemory>,
    slots: Vec<Slot>,
    /// Kept open: a front end may take its end for the end of the device.
    _requests: Option<Descriptor>,
}

impl Session {
    /// The state before the first message.
    pub fn new(offer: Offer) -> Self {
        // A receive and a transmit ring a pair, and the control queue behind them.
        let slots = (0..2 * offer.pairs + 1).map(|_| Slot::default()).collect();
        let offer = Offer { features: offer.features | feature::PROTOCOL, ..offer };
        Self { offer, features: 0, memory: Arc::default(), slots, _requests: None }
    }

    /// The features that the driver uses.
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Whether the front end took memory away from under us.
    pub fn is_memory_lost(&self) -> bool {
        self.memory.is_lost()
    }

    /// The control queue's index: behind the pairs that the driver knows of.
    pub fn control_index(&self) -> usize {
        if self.features & feature::MQ == 0 { 2 } else { 2 * self.offer.pairs }
    }

    /// Carries out a message. What is to be sent back comes with what went wrong, if anything did;
    /// an error without an answer is the end of the connection.
    pub fn handle(
        &mut self,
        message: Message,
        backend: &mut impl Backend,
    ) -> (Option<Vec<u8>>, Result<(), Refused>) {
        let head = message.head;
        let code = Code::of(head.request);
        let done = match code {
            Some(code) => self.carry_out(code, message, backend),
            None => Err(Refusal::Unknown(head.request)),
        };
        let wants = head.needs_reply() && !code.is_some_and(Code::has_answer);
        let answer = match (&done, wants) {
            (Ok(Some(payload)), _) => Some(payload.clone()),
            (Ok(None), true) => Some(Writer::default().u64(0).0),
            // A configuration space without this part is an answer without a payload.
            (Err(_), _) if code == Some(Code::GetConfig) => Some(vec![]),
            (Err(_), true) => Some(Writer::default().u64(1).0),
            (_, false) => None,
        };
        (answer, done.map(|_| ()).map_err(|refusal| Refused { code, refusal }))
    }

    fn carry_out(
        &mut self,
        code: Code,
        message: Message,
        backend: &mut impl Backend,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Message { payload, descriptors, .. } = message;
        let mut read = Reader(&payload);
        match code {
            Code::GetFeatures => return Ok(number(self.offer.features)),
            Code::GetProtocolFeatures => return Ok(number(self.offer.protocol)),
            Code::GetQueueNum => return Ok(number(self.offer.pairs as u64)),
            Code::GetMaxMemSlots => return Ok(number(MAX_REGIONS as u64)),
            Code::GetConfig => return self.read_config(&mut read).map(Some),
            Code::GetVringBase => return self.stop(read.u32()?, backend).map(Some),
            Code::SetFeatures => self.set_features(read.u64()?, backend)?,
            Code::SetProtocolFeatures => self.check_protocol_features(read.u64()?)?,
            // The control queue and the front end's own devices set what the guest may write;
            // nothing is ours.
            Code::SetOwner | Code::ResetOwner | Code::SetConfig | Code::NetSetMtu => {}
            // Never written to or read: errors are told in the log.
            Code::SetVringErr => {}
            Code::SetMemTable => self.set_memory(&mut read, &descriptors, backend)?,
            Code::AddMemReg => self.add_memory(&mut read, &descriptors, backend)?,
            Code::RemMemReg => self.remove_memory(&mut read, backend)?,
            Code::SetVringNum => self.set_size(read.u32()?, read.u32()?)?,
            Code::SetVringAddr => self.set_addresses(&mut read, backend)?,
            // A ring goes on where its used index stands; see `Ring::new`.
            Code::SetVringBase => drop(self.slot(read.u32()?)?),
            Code::SetVringKick => self.set_kick(read.u64()?, descriptors, backend)?,
            Code::SetVringCall => self.set_call(read.u64()?, descriptors, backend)?,
            Code::SetVringEnable => self.set_enabled(read.u32()?, read.u32()? != 0, backend)?,
            Code::SetBackendReqFd => self._requests = descriptors.into_iter().next(),
        }
        Ok(None)
    }

    fn set_features(&mut self, features: u64, backend: &mut impl Backend) -> Result<(), Refusal> {
        let unknown = features & !self.offer.features;
        if unknown != 0 {
            return Err(Refusal::Feature(unknown & unknown.wrapping_neg()));
        }
        self.features = features;
        if features & feature::PROTOCOL == 0 {
            self.slots.iter_mut().for_each(|slot| slot.enabled = true);
        }
        self.restart(backend)
    }

    fn check_protocol_features(&self, features: u64) -> Result<(), Refusal> {
        match features & !self.offer.protocol {
            0 => Ok(()),
            unknown => Err(Refusal::ProtocolFeature(unknown)),
        }
    }

    fn read_config(&self, read: &mut Reader<'_>) -> Result<Vec<u8>, Refusal> {
        let (offset, size, flags) = (read.u32()?, read.u32()?, read.u32()?);
        let bytes = self.offer.config.read(offset, size).ok_or(Refusal::Config(offset, size))?;
        Ok(Writer::default().u32(offset).u32(size).u32(flags).bytes(&bytes).0)
    }

    fn set_memory(
        &mut self,
        read: &mut Reader<'_>,
        files: &[Descriptor],
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        let (count, _padding) = (read.u32()? as usize, read.u32()?);
        if count != files.len() {
            return Err(Refusal::Descriptors(files.len(), count));
        }
        let mut memory = GuestMemory::default();
        for file in files {
            memory = memory.with(read.region()?, memory_of(file)?)?;
        }
        self.use_memory(memory, backend)
    }

    fn add_memory(
        &mut self,
        read: &mut Reader<'_>,
        files: &[Descriptor],
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        let [file] = files else { return Err(Refusal::Descriptors(files.len(), 1)) };
        let _padding = read.u64()?;
        let memory = self.memory.with(read.region()?, memory_of(file)?)?;
        self.use_memory(memory, backend)
    }

    fn remove_memory(
        &mut self,
        read: &mut Reader<'_>,
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        let _padding = read.u64()?;
        let memory = self.memory.without(&read.region()?)?;
        self.use_memory(memory, backend)
    }

    /// Rings that run go on in the new table; what was only in the old one is unmapped when the
    /// last has left it.
    fn use_memory(
        &mut self,
        memory: GuestMemory,
        backend: &mut impl Backend,
    ) -> Result<(), Refusal> {
        self.memory = Arc::new(memory);
        self.restart(backend)
    }
}

fn memory_of(descriptor: &Descriptor) -> Result<&OwnedFd, Refusal> {
    match descriptor {
        Descriptor::Memory(file) => Ok(file),
        _ => Err(Refusal::Memory(BadRegion::Kind)),
    }
}

fn number(number: u64) -> Option<Vec<u8>> {
    Some(Writer::default().u64(number).0)
}
