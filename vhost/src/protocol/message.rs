// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message: twelve bytes of head, a payload, descriptors.
#![forbid(unsafe_code)]

use super::Descriptor;

/// Bytes of payload at most. The longest that is understood, a memory table, has 264; front ends
/// may send more than the table needs.
pub const MAX_PAYLOAD: u32 = 4096;

/// Descriptors a message at most (VHOST_MEMORY_BASELINE_NREGIONS).
pub const MAX_DESCRIPTORS: usize = 8;

/// Bits of a head's flags.
pub mod flag {
    /// The version, in the low two bits.
    pub const VERSION: u32 = 1;
    /// The mask of the version.
    pub const VERSION_MASK: u32 = 3;
    /// It is a reply.
    pub const REPLY: u32 = 1 << 2;
    /// The front end wants an acknowledgement.
    pub const NEED_REPLY: u32 = 1 << 3;
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Which virtio features there are.
    GetFeatures,
    /// Which of them are used.
    SetFeatures,
    /// The front end owns the device.
    SetOwner,
    /// Without meaning by now.
    ResetOwner,
    /// All of the guest's memory.
    SetMemTable,
    /// The number of a ring's entries.
    SetVringNum,
    /// Where a ring is.
    SetVringAddr,
    /// The index at which a ring begins.
    SetVringBase,
    /// Stops a ring and asks for its index.
    GetVringBase,
    /// The descriptor by which the driver kicks a ring.
    SetVringKick,
    /// The descriptor by which the driver is notified.
    SetVringCall,
    /// The descriptor for errors.
    SetVringErr,
    /// Which protocol features there are.
    GetProtocolFeatures,
    /// Which of them are used.
    SetProtocolFeatures,
    /// How many pairs of queues there can be.
    GetQueueNum,
    /// Switches a ring on or off.
    SetVringEnable,
    /// The guest's MTU.
    NetSetMtu,
    /// A connection for requests of the back end.
    SetBackendReqFd,
    /// Reads the configuration space.
    GetConfig,
    /// Writes the configuration space.
    SetConfig,
    /// How many regions of memory there can be.
    GetMaxMemSlots,
    /// One region more.
    AddMemReg,
    /// One region less.
    RemMemReg,
}

impl Code {
    /// The code of a number, where it is one that is understood here.
    pub fn of(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::GetFeatures,
            2 => Self::SetFeatures,
            3 => Self::SetOwner,
            4 => Self::ResetOwner,
            5 => Self::SetMemTable,
            8 => Self::SetVringNum,
            9 => Self::SetVringAddr,
            10 => Self::SetVringBase,
            11 => Self::GetVringBase,
            12 => Self::SetVringKick,
            13 => Self::SetVringCall,
            14 => Self::SetVringErr,
            15 => Self::GetProtocolFeatures,
            16 => Self::SetProtocolFeatures,
            17 => Self::GetQueueNum,
            18 => Self::SetVringEnable,
            20 => Self::NetSetMtu,
            21 => Self::SetBackendReqFd,
            24 => Self::GetConfig,
            25 => Self::SetConfig,
            36 => Self::GetMaxMemSlots,
            37 => Self::AddMemReg,
            38 => Self::RemMemReg,
            _ => return None,
        })
    }

    /// Whether the answer is of this message's own form, and so no acknowledgement.
    pub fn has_answer(self) -> bool {
        matches!(
            self,
            Self::GetFeatures
                | Self::GetVringBase
                | Self::GetProtocolFeatures
                | Self::GetQueueNum
                | Self::GetConfig
                | Self::GetMaxMemSlots
        )
    }
}

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the request.
    pub request: u32,
    /// See [`flag`].
    pub flags: u32,
    /// Bytes of payload.
    pub size: u32,
}

impl Head {
    /// Bytes of a head.
    pub const LEN: usize = 12;

    /// Reads a head.
    pub fn read(bytes: &[u8; Self::LEN]) -> Self {
        let at = |index: usize| {
            u32::from_ne_bytes([bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3]])
        };
        Self { request: at(0), flags: at(4), size: at(8) }
    }

    /// The head's bytes.
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let numbers = [self.request, self.flags, self.size];
        for (number, at) in numbers.into_iter().zip(bytes.chunks_exact_mut(4)) {
            at.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    /// Whether the front end wants an acknowledgement.
    pub fn needs_reply(&self) -> bool {
        self.flags & flag::NEED_REPLY != 0
    }
}

/// A message that was received.
#[derive(Debug)]
pub struct Message {
    /// Its head.
    pub head: Head,
    /// As many bytes as the head says.
    pub payload: Vec<u8>,
    /// The descriptors that came with it.
    pub descriptors: Vec<Descriptor>,
}
