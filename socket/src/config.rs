// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be chosen: the size of the UMEM, and how to bind.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::error::Error;

/// Bytes that the kernel keeps free before each received frame (`XDP_PACKET_HEADROOM` in
/// `linux/bpf.h`). A frame of 4096 bytes therefore receives at most 3840.
pub const RX_HEADROOM: u32 = 256;

/// The memory of a socket: how many frames, of which size.
///
/// The default is 896 frames of 4096 bytes, 3.5 MiB. When the locked-memory limit refuses that,
/// fewer are tried: half, and half again, down to [`min_frames`](Self::min_frames).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    frames: u32,
    min_frames: u32,
    frame_size: u32,
    tx_reserve: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self { frames: 896, min_frames: 112, frame_size: 4096, tx_reserve: None }
    }
}

impl Config {
    /// How many frames to ask for: 2 to 2^20.
    #[must_use]
    pub fn frames(mut self, frames: u32) -> Self {
        self.frames = frames;
        self.min_frames = self.min_frames.min(frames);
        self
    }

    /// The least that will do when the locked-memory limit is short. Equal to `frames`: all or
    /// nothing.
    #[must_use]
    pub fn min_frames(mut self, frames: u32) -> Self {
        self.min_frames = frames;
        self
    }

    /// Bytes a frame: 2048 or 4096 (the kernel takes powers of two from 2048 to the page size).
    #[must_use]
    pub fn frame_size(mut self, bytes: u32) -> Self {
        self.frame_size = bytes;
        self
    }

    /// How many frames the fill ring never gets, so that there is always one to send. Default: a
    /// quarter. It shrinks with the frames.
    #[must_use]
    pub fn tx_reserve(mut self, frames: u32) -> Self {
        self.tx_reserve = Some(frames);
        self
    }

    /// The locked memory that the UMEM needs, in bytes.
    pub fn bytes(&self) -> u64 {
        u64::from(self.frames) * u64::from(self.frame_size)
    }

    /// The next smaller configuration to try, if there is one.
    pub(crate) fn halved(&self) -> Option<Self> {
        let (frames, tx_reserve) = (self.frames / 2, self.tx_reserve.map(|frames| frames / 2));
        (frames >= self.min_frames.max(2)).then(|| Self { frames, tx_reserve, ..self.clone() })
    }

    pub(crate) fn shift(&self) -> u32 {
        self.frame_size.trailing_zeros()
    }

    pub(crate) fn frame_count(&self) -> u32 {
        self.frames
    }

    pub(crate) fn reserve(&self) -> u32 {
        self.tx_reserve.unwrap_or(self.frames / 4).min(self.frames)
    }

    pub(crate) fn ring_size(&self) -> u32 {
        self.frames.next_power_of_two()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(2..=1 << 20).contains(&self.frames) {
            return Err(Error::Config(format!("{} frames; choose 2 to 1048576", self.frames)));
        }
        if ![2048, 4096].contains(&self.frame_size) {
            return Err(Error::Config(format!(
                "frames of {} bytes; choose 2048 or 4096",
                self.frame_size
            )));
        }
        Ok(())
    }
}

/// Whether the NIC may read and write the UMEM itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CopyMode {
    /// Zero-copy where the driver has it, else copy; [`Bound::zero_copy`](crate::Bound::zero_copy)
    /// says which.
    #[default]
    Auto,
    /// The kernel copies (`XDP_COPY`).
    ForceCopy,
    /// Zero-copy or an error (`XDP_ZEROCOPY`).
    ForceZeroCopy,
}

/// How to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindOptions {
    pub(crate) copy: CopyMode,
    pub(crate) need_wakeup: bool,
    pub(crate) busy_wait: Duration,
    pub(crate) longest: Option<usize>,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self {
            copy: CopyMode::Auto,
            need_wakeup: true,
            busy_wait: Duration::from_secs(1),
            longest: None,
        }
    }
}

impl BindOptions {
    /// Copy or zero-copy. Default: automatic.
    #[must_use]
    pub fn copy(mut self, copy: CopyMode) -> Self {
        self.copy = copy;
        self
    }

    /// Returns whether the kernel says when it wants a system call (`XDP_USE_NEED_WAKEUP`).
    /// Default: on.
    #[must_use]
    pub fn need_wakeup(mut self, on: bool) -> Self {
        self.need_wakeup = on;
        self
    }

    /// How long to wait for a queue that answers EBUSY. A queue does so for some 16 to 36 ms after
    /// its last holder died, since the kernel tears the old socket down behind a grace period.
    /// Default: one second.
    #[must_use]
    pub fn busy_wait(mut self, longest: Duration) -> Self {
        self.busy_wait = longest;
        self
    }
}

impl BindOptions {
    /// The longest frame, from the Ethernet header on, that is sent or received. Where it does not
    /// fit into one frame of the UMEM it has several (`XDP_USE_SG`), which Linux 6.6 and later take
    /// ([`has_several_buffers`](crate::has_several_buffers)). Default: one frame of the UMEM.
    #[must_use]
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = Some(bytes);
        self
    }

    /// Returns whether frames of the UMEM of this size have to be several for one frame, which is
    /// received with room before it.
    pub(crate) fn several(&self, frame_size: usize) -> bool {
        self.longest
            .is_some_and(|longest| longest > frame_size.saturating_sub(RX_HEADROOM as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn two_default_queues_fit_in_eight_mebibytes() {
        assert!(2 * Config::default().bytes() < 8 << 20);
    }

    #[test]
    fn halving_stops_at_the_least() {
        let mut tried = vec![];
        let mut next = Some(Config::default().frames(1000).min_frames(200));
        while let Some(config) = next {
            tried.push(config.frame_count());
            next = config.halved();
        }
        assert_eq!(tried, [1000, 500, 250]);
        let config = Config::default().frames(400).min_frames(2).tx_reserve(300);
        assert_eq!(
            config.halved().and_then(|half| half.halved()).map(|quarter| quarter.reserve()),
            Some(75)
        );
        assert_eq!(Config::default().frames(64).min_frames(64).halved(), None);
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        assert!(Config::default().frames(1).check().is_err());
        assert!(Config::default().frame_size(1024).check().is_err());
        assert!(Config::default().frame_size(3000).check().is_err());
        assert!(Config::default().frame_size(2048).check().is_ok());
    }
}
