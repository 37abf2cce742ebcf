// SPDX-License-Identifier: MIT OR Apache-2.0
//! IPv6: neighbour discovery (RFC 4861), ping (RFC 4443) and UDP echo. Packets with extension
//! headers are not answered.
#![forbid(unsafe_code)]

use std::net::Ipv6Addr;

use super::ip4::{UDP, echo_udp};
use super::{ETHERNET, Echo};
use crate::checksum::sum;

const ICMP6: u8 = 58;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// Solicited and override flags of an advertisement.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

pub(super) fn answer(host: &Echo, frame: &mut [u8], len: usize, to_us: bool) -> Option<usize> {
    let packet = frame.get(ETHERNET..len)?;
    if packet.len() < 40 || packet[0] >> 4 != 6 {
        return None;
    }
    let payload = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    if payload < 8 || 40 + payload > packet.len() {
        return None;
    }
    match (packet[6], packet[40]) {
        (ICMP6, SOLICITATION) => advertise(host, frame, payload),
        (ICMP6, ECHO_REQUEST) if to_us => echo(host, frame, payload).map(|()| len),
        (UDP, _) if to_us => echo(host, frame, payload).map(|()| len),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
}

fn echo(host: &Echo, frame: &mut [u8], payload: usize) -> Option<()> {
    let packet = &mut frame[ETHERNET..ETHERNET + 40 + payload];
    let (from, to) = (address(&packet[8..24])?, address(&packet[24..40])?);
    if !host.ip6.contains(&to)
        || host.ip6.contains(&from)
        || from.is_multicast()
        || from.is_unspecified()
    {
        return None;
    }
    let (header, message) = packet.split_at_mut(40);
    if header[6] == UDP {
        echo_udp(message, &header[8..40])?;
    } else {
        message[0] = ECHO_REPLY;
        seal(message, &header[8..40]);
    }
    let (from, to) = header[8..40].split_at_mut(16);
    from.swap_with_slice(to);
    header[7] = 64;
    host.return_to_sender(frame);
    Some(())
}

/// Fills in the checksum of an ICMPv6 message.
fn seal(message: &mut [u8], addresses: &[u8]) {
    message[2..4].fill(0);
    let sum = sum::with_pseudo_header(addresses, ICMP6, message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}

/// Turns a solicitation for one of our addresses into an advertisement. Who asks with no address of
/// its own is looking for a duplicate, and the answer goes to all nodes.
fn advertise(host: &Echo, frame: &mut [u8], payload: usize) -> Option<usize> {
    let packet = frame.get(ETHERNET..ETHERNET + 40 + payload)?;
    let asked = packet.get(48..64)?;
    let (from, wanted) = (address(&packet[8..24])?, address(asked)?);
    let genuine = packet[7] == 255 && packet[41] == 0 && !from.is_multicast();
    if !genuine || !host.ip6.contains(&wanted) || host.ip6.contains(&from) {
        return None;
    }
    host.return_to_sender(frame);
    let (mut to, mut flags) = (from, SOLICITED | OVERRIDE);
    if from.is_unspecified() {
        to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        flags = OVERRIDE;
        frame[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    }
    let packet = frame.get_mut(ETHERNET..ETHERNET + 72)?;
    write_advertisement(packet, wanted, to, host.mac, flags);
    Some(ETHERNET + 72)
}

fn write_advertisement(packet: &mut [u8], from: Ipv6Addr, to: Ipv6Addr, mac: [u8; 6], flags: u8) {
    packet[4..6].copy_from_slice(&32_u16.to_be_bytes());
    packet[8..24].copy_from_slice(&from.octets());
    packet[24..40].copy_from_slice(&to.octets());
    let (header, message) = packet.split_at_mut(40);
    message[..8].copy_from_slice(&[ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
    message[8..24].copy_from_slice(&from.octets());
    // The target's link-layer address: option 2, one unit of eight bytes.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..32].copy_from_slice(&mac);
    seal(message, &header[8..40]);
}
