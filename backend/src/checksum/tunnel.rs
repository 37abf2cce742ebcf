// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a tunnel carries: the segment inside a segment, one level deep. It is only counted.
#![forbid(unsafe_code)]

use super::parse::{Segment, UDP, ethernet, ip4, ip6, network, word};

/// Protocol numbers of IPv4, IPv6 and GRE inside IP.
const IP4: u8 = 4;
const IP6: u8 = 41;
const GRE: u8 = 47;

/// The ports of VXLAN, that of Linux before the standard, and of Geneve.
const VXLAN: [u16; 2] = [4789, 8472];
const GENEVE: u16 = 6081;

const UDP_HEADER: usize = 8;
const VXLAN_HEADER: usize = 8;
/// What GRE and Geneve call an Ethernet frame (Trans-Ether bridging).
const ETHERNET: u16 = 0x6558;

/// The segment inside `outer`, where that is a tunnel.
#[inline]
pub(super) fn inside(frame: &[u8], outer: &Segment) -> Option<Segment> {
    let (packet, at) = (frame.get(..outer.end)?, outer.start);
    match outer.protocol {
        IP4 => ip4(packet, at),
        IP6 => ip6(packet, at),
        GRE => gre(packet, at),
        UDP => match word(packet, at + 2)? {
            port if VXLAN.contains(&port) => ethernet(packet, at + UDP_HEADER + VXLAN_HEADER),
            GENEVE => geneve(packet, at + UDP_HEADER),
            _ => None,
        },
        _ => None,
    }
}

/// RFC 2784 and 2890: checksum, key and sequence number, of 4 bytes each, are there as the first
/// bits say.
fn gre(packet: &[u8], at: usize) -> Option<Segment> {
    let (flags, kind) = (word(packet, at)?, word(packet, at + 2)?);
    let options = (flags & 0xb000).count_ones() as usize;
    // Routing and the versions beside 0 have other layouts.
    let plain = flags & 0x4007 == 0;
    plain.then(|| either(packet, kind, at + 4 + options * 4))?
}

/// RFC 8926: the length of the options in units of 4 bytes, and the type of what follows them.
fn geneve(packet: &[u8], at: usize) -> Option<Segment> {
    let (first, kind) = (word(packet, at)?, word(packet, at + 2)?);
    either(packet, kind, at + 8 + usize::from((first >> 8) & 0x3f) * 4)
}

fn either(packet: &[u8], kind: u16, at: usize) -> Option<Segment> {
    if kind == ETHERNET { ethernet(packet, at) } else { network(packet, kind, at) }
}
