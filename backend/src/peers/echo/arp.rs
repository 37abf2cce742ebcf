// SPDX-License-Identifier: MIT OR Apache-2.0
//! ARP (RFC 826): who has one of our addresses? We do.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use super::{ETHERNET, Echo};

/// Ethernet and IPv4, address lengths 6 and 4, a request.
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];

const END: usize = ETHERNET + 28;
const SENDER: usize = ETHERNET + 8;
const TARGET: usize = SENDER + 10;

pub(super) fn answer(host: &Echo, frame: &mut [u8], len: usize) -> Option<usize> {
    if len < END || frame[ETHERNET..SENDER] != REQUEST {
        return None;
    }
    let wanted: [u8; 4] = frame[TARGET + 6..END].try_into().ok()?;
    if !host.ip4.contains(&Ipv4Addr::from(wanted)) {
        return None;
    }
    host.return_to_sender(frame);
    frame[ETHERNET + 7] = 2;
    frame.copy_within(SENDER..TARGET, TARGET);
    frame[SENDER..SENDER + 6].copy_from_slice(&host.mac);
    frame[SENDER + 6..TARGET].copy_from_slice(&wanted);
    Some(len)
}
