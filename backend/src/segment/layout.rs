// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the headers of a TCP frame are.
#![forbid(unsafe_code)]

use crate::checksum::parse::{IP4, IP6, TCP, packet, word};
use crate::checksum::sum::Sum;

/// More than the headers of a frame can be: Ethernet with two tags, IPv4 and TCP with all options.
pub(crate) const MOST_HEADERS: usize = 14 + 8 + 60 + 60;

/// TCP's flags in the byte that has them.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const PSH: u8 = 0x08;
    pub(crate) const ACK: u8 = 0x10;
    pub(crate) const ECE: u8 = 0x40;
    pub(crate) const CWR: u8 = 0x80;
}

/// The offsets of one frame's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The IP header.
    pub(crate) ip: usize,
    /// TCP's.
    pub(crate) tcp: usize,
    /// What TCP carries.
    pub(crate) payload: usize,
    /// IPv6, without extension headers; else IPv4.
    pub(crate) is_ip6: bool,
}

impl Layout {
    /// Finds the headers at the beginning of a frame, of which the rest need not be there. Nothing
    /// where it is no TCP, or a fragment, or where IPv6 has extension headers.
    #[inline]
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let (kind, ip) = packet(frame, 0)?;
        let tcp = match kind {
            IP4 => ip4(frame.get(ip..)?)?,
            IP6 => ip6(frame.get(ip..)?)?,
            _ => return None,
        };
        let tcp = ip + tcp;
        let length = usize::from(frame.get(tcp + 12)? >> 4) * 4;
        let payload = tcp + length;
        let is_sound = length >= 20 && payload <= frame.len();
        is_sound.then_some(Self { ip, tcp, payload, is_ip6: kind == IP6 })
    }

    /// The source and the destination, in a row.
    #[inline]
    pub(crate) fn addresses<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let range =
            if self.is_ip6 { self.ip + 8..self.ip + 40 } else { self.ip + 12..self.ip + 20 };
        frame.get(range).unwrap_or_default()
    }

    /// The sum of the pseudo-header of a segment of `len` bytes, with TCP's header.
    #[inline]
    pub(crate) fn pseudo(&self, frame: &[u8], len: usize) -> Sum {
        Sum::default().bytes(self.addresses(frame)).number(TCP.into()).number(len as u32)
    }

    /// Where the IP header says that the packet ends.
    #[inline]
    pub(crate) fn end(&self, frame: &[u8]) -> Option<usize> {
        Some(if self.is_ip6 {
            self.ip + 40 + usize::from(word(frame, self.ip + 4)?)
        } else {
            self.ip + usize::from(word(frame, self.ip + 2)?)
        })
    }
}

/// Where the payload of an IPv4 packet begins, if that is TCP's and no fragment.
#[inline]
fn ip4(packet: &[u8]) -> Option<usize> {
    let header = packet.first_chunk::<20>()?;
    let length = usize::from(header[0] & 15) * 4;
    let is_whole = header[6] & 0x3f == 0 && header[7] == 0;
    (header[0] >> 4 == 4 && length >= 20 && header[9] == TCP && is_whole).then_some(length)
}

#[inline]
fn ip6(packet: &[u8]) -> Option<usize> {
    let header = packet.first_chunk::<40>()?;
    (header[0] >> 4 == 6 && header[6] == TCP).then_some(header.len())
}

/// Writes a number in the network's order.
#[inline]
pub(crate) fn put(frame: &mut [u8], at: usize, number: u16) {
    if let Some(place) = frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = number.to_be_bytes();
    }
}
