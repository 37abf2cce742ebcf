// SPDX-License-Identifier: MIT OR Apache-2.0
//! `echo`: a host of its own, as far as ARP, neighbour discovery, ping and UDP echo go. Each frame
//! is answered in its place.
//!
//! Checksums of what comes in are not verified, since a veth or virtio peer on the same machine
//! leaves them to be filled in by hardware that is not there; those of the answers are computed
//! afresh.
#![forbid(unsafe_code)]

mod arp;
mod ip4;
mod ip6;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use xsk_socket::RxBatch;

use super::{Peer, Station};
use crate::counters::Counters;
use crate::error::Error;
use crate::peer_spec::EchoSpec;

/// The length of an Ethernet header.
const ETHERNET: usize = 14;

/// Room that an answer may need beyond its question: a neighbour advertisement with its address
/// option.
const LONGEST_FIXED: usize = ETHERNET + 40 + 32;

const ETHERTYPE_IP4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IP6: [u8; 2] = [0x86, 0xdd];

/// The host that answers.
#[derive(Debug, Clone)]
pub struct Echo {
    mac: [u8; 6],
    ip4: Vec<Ipv4Addr>,
    ip6: Vec<Ipv6Addr>,
}

impl Echo {
    /// A host with the addresses of `spec`, and the interface's MAC address unless that names one.
    pub fn new(spec: &EchoSpec, station: Station) -> Self {
        let mut host = Self { mac: spec.mac.unwrap_or(station.mac), ip4: vec![], ip6: vec![] };
        for address in &spec.addresses {
            match address {
                IpAddr::V4(address) => host.ip4.push(*address),
                IpAddr::V6(address) => host.ip6.push(*address),
            }
        }
        host
    }

    /// Turns the question in the first `len` bytes of `frame` into its answer, and says how long
    /// that is. Nothing: there is no answer. `frame` has room for 86 bytes at least.
    pub fn answer(&self, frame: &mut [u8], len: usize) -> Option<usize> {
        let question = frame.get(..len)?;
        let (header, _) = question.split_first_chunk::<ETHERNET>()?;
        let to_us = header[..6] == self.mac;
        let to_group = header[0] & 1 != 0;
        let from_one = header[6] & 1 == 0 && header[6..12] != self.mac;
        if !(to_us || to_group) || !from_one {
            return None;
        }
        match [header[12], header[13]] {
            ETHERTYPE_ARP => arp::answer(self, frame, len),
            ETHERTYPE_IP4 if to_us => ip4::answer(self, frame, len),
            ETHERTYPE_IP6 => ip6::answer(self, frame, len, to_us),
            _ => None,
        }
    }

    /// Sends the frame back to whom it came from.
    fn return_to_sender(&self, frame: &mut [u8]) {
        frame.copy_within(6..12, 0);
        frame[6..12].copy_from_slice(&self.mac);
    }
}

impl Peer for Echo {
    fn receive(&mut self, batch: &mut RxBatch<'_>, _counters: &Counters) -> Result<(), Error> {
        batch.for_each(|mut frame| {
            let len = frame.len();
            if !frame.set_len(len.max(LONGEST_FIXED)) {
                return;
            }
            if let Some(answer) = self.answer(&mut frame, len) {
                if frame.set_len(answer) {
                    frame.send_back();
                }
            }
        });
        Ok(())
    }
}
