// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock that goes on while the machine sleeps and that nobody can set.

use std::time::Duration;

/// The time since the boot.
pub(crate) fn boot_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` outlives the call; the clock exists on every kernel that we run on.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
