// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a frame's first byte to the transport's: VLAN tags, IPv4 with options, IPv6 with extension
//! headers. What is cut short, lies about its length, or is a fragment has no segment here.
#![forbid(unsafe_code)]

use super::sum::Sum;

/// Tags that stand before the type of an Ethernet frame: 802.1Q, 802.1ad, and the latter's
/// predecessor.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
pub(crate) const IP4: u16 = 0x0800;
pub(crate) const IP6: u16 = 0x86dd;

pub(crate) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// IPv6 headers that stand before the transport's and say their own length: hop-by-hop, routing,
/// destination.
const EXTENSIONS: [u8; 3] = [0, 43, 60];

/// What an IP header encloses, in full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// The sum of both addresses.
    pub(super) addresses: Sum,
    pub(super) protocol: u8,
    /// Where it begins in the frame.
    pub(super) start: usize,
    /// Where it ends; padding may follow.
    pub(super) end: usize,
}

impl Segment {
    pub(crate) fn is(&self, protocol: u8) -> bool {
        self.protocol == protocol
    }
}

pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))
}

/// The segment of the Ethernet frame that begins at `at`.
#[inline]
pub(crate) fn ethernet(frame: &[u8], at: usize) -> Option<Segment> {
    let (kind, at) = packet(frame, at)?;
    network(frame, kind, at)
}

/// The EtherType of the frame that begins at `at`, behind its tags, and where its packet begins.
#[inline]
pub(crate) fn packet(frame: &[u8], at: usize) -> Option<(u16, usize)> {
    let mut at = at + 12;
    loop {
        match word(frame, at)? {
            tag if TAGS.contains(&tag) => at += 4,
            kind => return Some((kind, at + 2)),
        }
    }
}

/// The segment of the packet of this EtherType that begins at `at`.
#[inline]
pub(super) fn network(frame: &[u8], kind: u16, at: usize) -> Option<Segment> {
    match kind {
        IP4 => ip4(frame, at),
        IP6 => ip6(frame, at),
        _ => None,
    }
}

#[inline]
pub(super) fn ip4(frame: &[u8], at: usize) -> Option<Segment> {
    let header = frame.get(at..)?.first_chunk::<20>()?;
    let length = usize::from(header[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // More fragments, or an offset.
    let fragment = header[6] & 0x3f != 0 || header[7] != 0;
    let sound = header[0] >> 4 == 4
        && length >= header.len()
        && total >= length
        && at + total <= frame.len();
    (sound && !fragment).then(|| Segment {
        addresses: Sum::default().bytes(&header[12..20]),
        protocol: header[9],
        start: at + length,
        end: at + total,
    })
}

#[inline]
pub(super) fn ip6(frame: &[u8], at: usize) -> Option<Segment> {
    let header = frame.get(at..)?.first_chunk::<40>()?;
    let start = at + header.len();
    let end = start + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || end > frame.len() {
        return None;
    }
    let (protocol, start) = transport(frame.get(..end)?, header[6], start)?;
    Some(Segment { addresses: Sum::default().bytes(&header[8..]), protocol, start, end })
}

/// Steps over extension headers. A fragment header is none of them: the transport's is not all
/// there.
#[inline]
fn transport(packet: &[u8], mut protocol: u8, mut start: usize) -> Option<(u8, usize)> {
    while EXTENSIONS.contains(&protocol) {
        let [next, length] = *packet.get(start..)?.first_chunk()?;
        protocol = next;
        start += (usize::from(length) + 1) * 8;
    }
    (start <= packet.len()).then_some((protocol, start))
}
