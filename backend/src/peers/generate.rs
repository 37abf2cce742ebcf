// SPDX-License-Identifier: MIT OR Apache-2.0
//! `generate`: makes frames, numbered one by one, as fast as the device takes them or at a rate.
//! Those that come back (from `reflect`, say) are recognised and counted.
//!
//! After the headers each frame carries 24 bytes, numbers in network order: `XSKG`, the queue's
//! place (4 bytes), the sequence number from 0 (8), and the time of its batch in nanoseconds since
//! the generator began (8); then zeros.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use xsk_socket::{Bound, RxBatch};

use super::{Interest, Peer, Station};
use crate::checksum::sum;
use crate::counters::{Counters, Moved};
use crate::error::{self, Error};
use crate::peer_spec::GenerateSpec;
use crate::turn::BATCH;

const MAGIC: [u8; 4] = *b"XSKG";
const STAMP: usize = 24;

/// Ethertype for local experiments (IEEE 802, "Local Experimental Ethertype 1"): no host acts on
/// it.
const ETHERTYPE_LOCAL: [u8; 2] = [0x88, 0xb5];

/// Never more than this is made up for when the device or the machine held us up.
const LONGEST_BURST: Duration = Duration::from_millis(10);

/// The peer.
pub(super) struct Generate {
    template: Vec<u8>,
    stamp_at: usize,
    start: Instant,
    pace: Option<Pace>,
    next: u64,
    end: Option<u64>,
}

impl Generate {
    /// The generator of queue number `at` of `queues`, which share rate and count.
    pub(super) fn new(spec: &GenerateSpec, station: Station, at: usize, queues: usize) -> Self {
        let mut template = headers(spec, station);
        let stamp_at = template.len();
        template.extend_from_slice(&MAGIC);
        template.extend_from_slice(&(at as u32).to_be_bytes());
        template.resize(spec.size.max(stamp_at + STAMP), 0);
        let share =
            |total: u64| total / queues as u64 + u64::from((at as u64) < total % queues as u64);
        let start = Instant::now();
        let pace = spec.rate.map(|rate| Pace { rate: rate as f64 / queues as f64, start, made: 0 });
        Self { template, stamp_at, start, pace, next: 0, end: spec.count.map(share) }
    }

    fn stamp(&mut self, nanoseconds: u64) {
        let at = self.stamp_at + 8;
        self.template[at..at + 8].copy_from_slice(&self.next.to_be_bytes());
        self.template[at + 8..at + 16].copy_from_slice(&nanoseconds.to_be_bytes());
    }

    fn is_ours(&self, frame: &[u8]) -> bool {
        frame.get(self.stamp_at..self.stamp_at + 8)
            == self.template.get(self.stamp_at..self.stamp_at + 8)
    }

    fn due(&mut self, now: Instant) -> u64 {
        let left = self.end.map_or(u64::MAX, |end| end - self.next);
        let allowed = self.pace.as_mut().map_or(u64::MAX, |pace| pace.due(now));
        left.min(allowed).min(BATCH as u64)
    }
}

impl Peer for Generate {
    fn receive(&mut self, batch: &mut RxBatch<'_>, counters: &Counters) -> Result<(), Error> {
        counters.returned(batch.iter().filter(|frame| self.is_ours(frame)).count() as u64);
        Ok(())
    }

    fn supply(&mut self, socket: &mut Bound, _counters: &Counters) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        // One reading of the clock a batch: it would be a good part of what a frame costs.
        let now = Instant::now();
        let nanoseconds = now.duration_since(self.start).as_nanos() as u64;
        for _ in 0..self.due(now) {
            self.stamp(nanoseconds);
            match socket.send(&self.template) {
                Ok(()) => moved.add(self.template.len()),
                Err(xsk_socket::Refused::NoRoom) => break,
                Err(refused) => {
                    return Err(error::usage("--peer generate", &format!("size: {refused}")));
                }
            }
            self.next += 1;
        }
        if let Some(pace) = &mut self.pace {
            pace.made += moved.frames;
        }
        Ok(moved)
    }

    fn interest(&self) -> Interest<'_> {
        let wait = || self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(Instant::now()));
        Interest { on: None, within: (!self.done()).then(wait) }
    }

    fn done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

/// Ethernet, and IPv4 with UDP if addresses were given.
fn headers(spec: &GenerateSpec, station: Station) -> Vec<u8> {
    let mut frame = [spec.dst, spec.src.unwrap_or(station.mac)].concat();
    let Some((from, to)) = spec.ip else {
        frame.extend_from_slice(&ETHERTYPE_LOCAL);
        return frame;
    };
    let payload = spec.size.max(14 + 28 + STAMP) - 14;
    let total = (payload as u16).to_be_bytes();
    let udp = (payload as u16 - 20).to_be_bytes();
    let mut ip =
        [&[0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0][..], &from, &to].concat();
    let sum = sum::of(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&[0x08, 0x00]);
    frame.extend_from_slice(&ip);
    // From and to port 9, discard; no checksum, which UDP over IPv4 allows.
    frame.extend_from_slice(&[0, 9, 0, 9, udp[0], udp[1], 0, 0]);
    frame
}

/// So many frames a second, since a moment.
#[derive(Debug)]
struct Pace {
    rate: f64,
    start: Instant,
    made: u64,
}

impl Pace {
    /// How many frames should have been made by `now` and were not.
    fn due(&mut self, now: Instant) -> u64 {
        let owed = (now.duration_since(self.start).as_secs_f64() * self.rate) as u64 + 1;
        let owed = owed.saturating_sub(self.made);
        let most = (LONGEST_BURST.as_secs_f64() * self.rate) as u64 + 1;
        if owed > most {
            self.made += owed - most;
        }
        owed.min(most)
    }

    /// How long until the next one.
    fn wait(&self, now: Instant) -> Duration {
        let at = Duration::from_secs_f64(self.made as f64 / self.rate);
        at.saturating_sub(now.duration_since(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: Station = Station { mac: [2, 0, 0, 0, 0, 7], ifindex: 1 };

    fn spec() -> GenerateSpec {
        GenerateSpec {
            dst: [2, 0, 0, 0, 0, 1],
            src: None,
            size: 60,
            rate: None,
            count: Some(10),
            ip: None,
        }
    }

    #[test]
    fn a_frame_carries_queue_and_sequence() {
        let mut generator = Generate::new(&spec(), STATION, 3, 4);
        generator.next = 0x0102;
        generator.stamp(7);
        let frame = &generator.template;
        assert_eq!(frame.len(), 60);
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x88, 0xb5]);
        assert_eq!(frame[14..30], *b"XSKG\0\0\0\x03\0\0\0\0\0\0\x01\x02");
        assert!(generator.is_ours(frame));
        assert!(!Generate::new(&spec(), STATION, 2, 4).is_ours(frame), "another queue's");
    }

    #[test]
    fn queues_share_the_count() {
        let ends: Vec<_> =
            (0..4).map(|at| Generate::new(&spec(), STATION, at, 4).end.unwrap()).collect();
        assert_eq!(ends, [3, 3, 2, 2]);
    }

    #[test]
    fn ip_frames_have_a_right_header() {
        let spec = GenerateSpec { ip: Some(([10, 0, 0, 1], [10, 0, 0, 2])), size: 100, ..spec() };
        let generator = Generate::new(&spec, STATION, 0, 1);
        let frame = &generator.template;
        assert_eq!((frame.len(), &frame[12..14]), (100, &[8, 0][..]));
        assert_eq!(sum::of(&frame[14..34]), 0);
        assert_eq!((&frame[16..18], &frame[38..40]), (&[0, 86][..], &[0, 66][..]));
    }

    #[test]
    fn the_pace_is_kept_and_a_stall_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace { rate: 1000.0, start, made: 0 };
        assert_eq!(pace.due(start + Duration::from_millis(5)), 6);
        pace.made += 6;
        assert_eq!(pace.wait(start + Duration::from_millis(5)), Duration::from_millis(1));
        assert_eq!(pace.due(start + Duration::from_secs(5)), 11, "10 ms of frames and no more");
        pace.made += 11;
        assert_eq!(pace.due(start + Duration::from_secs(5)), 0);
    }
}
