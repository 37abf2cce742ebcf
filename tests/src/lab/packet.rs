// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames, as the peer sends and sees them, and sockets in the peer's namespace.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use super::{Lab, Veth, sys, wait};

/// A raw packet socket on one interface.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// One on an interface of the thread's network namespace.
    pub(super) fn on(ifindex: u32) -> Self {
        Self(sys::packet_socket(ifindex).unwrap().into())
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &[u8]) {
        assert_eq!(self.0.write(frame).unwrap(), frame.len());
    }

    /// The next frame for which `wanted` holds, within the time.
    pub fn receive(&mut self, within: Duration, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + within;
        let mut frame = vec![0; 65536];
        while Instant::now() < end {
            match self.0.read(&mut frame) {
                Ok(length) if wanted(&frame[..length]) => return Some(frame[..length].to_vec()),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => wait::pause(),
                Err(e) => panic!("packet socket: {e}"),
            }
        }
        None
    }
}

impl Lab {
    /// A raw packet socket on an interface of the host.
    pub fn host_tap(&self, ifname: &str) -> Tap {
        Tap::on(self.ifindex(ifname))
    }

    /// A raw packet socket on the peer's end of the cable.
    pub fn peer_tap(&self, veth: &Veth) -> Tap {
        self.in_peer(|| self.host_tap(&veth.peer))
    }

    /// A UDP socket of the peer's.
    pub fn peer_udp(&self) -> UdpSocket {
        self.in_peer(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())
    }

    /// Sends `count` pings from the peer, and says how many were answered.
    pub fn pings(&self, address: Ipv4Addr, count: u32) -> u32 {
        // After the last one ping waits for the interval or twice the longest answer, no longer.
        let interval = if std::env::var_os("XSK_VM").is_some() { "0.4" } else { "0.1" };
        let (count, address) = (count.to_string(), address.to_string());
        let args = ["-n", "-i", interval, "-W", "5", "-c", &count, &address];
        let done = self.peer_cmd("ping").args(args).run(Duration::from_secs(60));
        let received =
            done.stdout.split(" received").next().and_then(|t| t.rsplit(' ').next()?.parse().ok());
        received.unwrap_or_else(|| panic!("ping said {:?} {:?}", done.stdout, done.stderr))
    }
}

/// A broadcast frame of an experimental EtherType (0x88b5) that carries `text`; at least 60 bytes.
pub fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5]);
    frame.extend(text.as_bytes());
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Whether a frame was made by [`frame`] with this text.
pub fn carries(frame: &[u8], text: &str) -> bool {
    frame.len() > 14 && frame[12..14] == [0x88, 0xb5] && frame[14..].starts_with(text.as_bytes())
}
