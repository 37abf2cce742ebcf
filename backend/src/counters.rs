// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a queue has moved: written by its own thread, read by the one that reports.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use xsk_socket::Refused;

/// Frames and bytes, either counted or to be added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Frames.
    pub frames: u64,
    /// Their bytes, from the Ethernet header on, without the checksum of the wire.
    pub bytes: u64,
}

impl Moved {
    /// Adds one frame.
    #[inline]
    pub fn add(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }
}

/// The counters of one queue.
#[derive(Debug, Default)]
pub struct Counters {
    rx_frames: AtomicU64,
    rx_bytes: AtomicU64,
    tx_frames: AtomicU64,
    tx_bytes: AtomicU64,
    peer_drops: AtomicU64,
    returned: AtomicU64,
    completed: AtomicU64,
    inner: AtomicU64,
    tx_too_long: AtomicU64,
}

impl Counters {
    /// Frames that came from the network.
    #[inline]
    pub fn received(&self, moved: Moved) {
        bump(&self.rx_frames, moved.frames);
        bump(&self.rx_bytes, moved.bytes);
    }

    /// Frames that were given to the network.
    #[inline]
    pub fn sent(&self, moved: Moved) {
        bump(&self.tx_frames, moved.frames);
        bump(&self.tx_bytes, moved.bytes);
    }

    /// Frames that the peer could not pass on, in either direction.
    #[inline]
    pub fn dropped(&self, frames: u64) {
        bump(&self.peer_drops, frames);
    }

    /// Frames of `generate` that came back.
    #[inline]
    pub fn returned(&self, frames: u64) {
        bump(&self.returned, frames);
    }

    /// Checksums that were completed, and those in tunnels that stay unfinished.
    #[inline]
    pub fn checksums(&self, completed: u64, inner: u64) {
        bump(&self.completed, completed);
        bump(&self.inner, inner);
    }

    /// A frame that the socket did not take: it is too long for the interface, or there is no room.
    pub fn refused(&self, why: Refused) {
        match why {
            Refused::BadLength => bump(&self.tx_too_long, 1),
            Refused::NoRoom => self.dropped(1),
        }
    }

    /// The numbers of this moment.
    pub fn read(&self) -> Snapshot {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            rx_frames: of(&self.rx_frames),
            rx_bytes: of(&self.rx_bytes),
            tx_frames: of(&self.tx_frames),
            tx_bytes: of(&self.tx_bytes),
            peer_drops: of(&self.peer_drops),
            returned: of(&self.returned),
            checksums_completed: of(&self.completed),
            checksums_inner: of(&self.inner),
            tx_too_long: of(&self.tx_too_long),
        }
    }
}

/// Nearly always one thread writes, so a plain load and store would do; shared peers make it an
/// atomic addition.
#[inline]
fn bump(counter: &AtomicU64, by: u64) {
    if by > 0 {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// The numbers of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Frames from the network.
    pub rx_frames: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames given to the network.
    pub tx_frames: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Frames that the peer could not pass on, in either direction.
    pub peer_drops: u64,
    /// Frames that `generate` made and that came back.
    pub returned: u64,
    /// Checksums of frames from the network that the sender had left unfinished, and that were
    /// completed.
    pub checksums_completed: u64,
    /// The same inside of tunnels, and not completed.
    pub checksums_inner: u64,
    /// Frames of the peer's that are longer than the interface takes, and were dropped.
    pub tx_too_long: u64,
}

impl Snapshot {
    /// What is mostly nothing, and then not spoken of.
    pub(crate) fn seldom(self) -> impl Iterator<Item = (u64, &'static str)> {
        let all = [
            (self.returned, "returned"),
            (self.checksums_completed, "checksums completed"),
            (self.tx_too_long, "too long to send"),
            (self.checksums_inner, "checksums unfinished in tunnels"),
        ];
        all.into_iter().filter(|(count, _)| *count > 0)
    }
}
