// SPDX-License-Identifier: MIT OR Apache-2.0
//! IPv4: ping (RFC 792) and UDP echo (RFC 862, on every port). Fragments are not put together, so
//! not answered.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use super::{ETHERNET, Echo};
use crate::checksum::sum;

const ICMP: u8 = 1;
/// UDP's number, the same for IPv6.
pub(super) const UDP: u8 = 17;

pub(super) fn answer(host: &Echo, frame: &mut [u8], len: usize) -> Option<usize> {
    let packet = frame.get_mut(ETHERNET..len)?;
    let (header, payload, end) = layout(packet)?;
    let addresses: [u8; 8] = packet[12..20].try_into().ok()?;
    if !acceptable(host, addresses) {
        return None;
    }
    let protocol = packet[9];
    let payload = &mut packet[payload..end];
    match protocol {
        ICMP => echo_icmp(payload)?,
        UDP => echo_udp(payload, &addresses)?,
        _ => return None,
    }
    turn_header(&mut packet[..header]);
    host.return_to_sender(frame);
    Some(len)
}

/// The header's length, where the payload begins and where it ends, of a whole packet that is not a
/// fragment.
fn layout(packet: &[u8]) -> Option<(usize, usize, usize)> {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return None;
    }
    let header = usize::from(packet[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
    let whole = header >= 20 && total >= header && total <= packet.len();
    (whole && !fragment).then_some((header, header, total))
}

/// To us, and from an address that an answer can go to; not from ourselves, or two of us would
/// never stop.
fn acceptable(host: &Echo, [a, b, c, d, to @ ..]: [u8; 8]) -> bool {
    let from = Ipv4Addr::new(a, b, c, d);
    let group = from.is_multicast() || from.is_broadcast() || from.is_unspecified();
    host.ip4.contains(&Ipv4Addr::from(to)) && !host.ip4.contains(&from) && !group
}

fn echo_icmp(message: &mut [u8]) -> Option<()> {
    if message.len() < 8 || message[..2] != [8, 0] {
        return None;
    }
    message[0] = 0;
    message[2..4].fill(0);
    let sum = sum::of(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Exchanges the ports and computes the checksum. `addresses` may be of either version: their order
/// does not matter to a sum.
pub(super) fn echo_udp(datagram: &mut [u8], addresses: &[u8]) -> Option<()> {
    if datagram.len() < 8 {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([datagram[4], datagram[5]]));
    if len < 8 || len > datagram.len() || datagram[..2] == [0, 0] {
        return None;
    }
    let datagram = &mut datagram[..len];
    let (from, to) = datagram.split_at_mut(2);
    from.swap_with_slice(&mut to[..2]);
    datagram[6..8].fill(0);
    // An all-zero checksum means "none", so that a computed zero is sent as all ones (RFC 768).
    let sum = match sum::with_pseudo_header(addresses, UDP, datagram) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Exchanges the addresses. A fresh TTL; options stay as they were.
fn turn_header(header: &mut [u8]) {
    let (from, to) = header[12..20].split_at_mut(4);
    from.swap_with_slice(to);
    header[8] = 64;
    header[10..12].fill(0);
    let sum = sum::of(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
