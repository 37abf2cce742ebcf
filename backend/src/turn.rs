// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much a queue or a peer does before it is the others' turn.
#![forbid(unsafe_code)]

use std::time::Duration;

/// Frames a turn: two of the kernel's own batches of 32 (`TX_BATCH_SIZE` in net/xdp/xsk.c).
pub(crate) const BATCH: usize = 64;

/// How long to sleep when the kernel does not take what is in the transmit ring, or has all the
/// frames. A poll for writability would return at once, since it asks only whether the ring has
/// room.
pub(crate) const DEVICE_BUSY: Duration = Duration::from_micros(200);
