// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of a QEMU, and what it says that it can do.

use std::path::Path;
use std::time::Duration;

use crate::sys::process;

/// How long a QEMU may take to say what it can do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What QEMU locks for a queue, in bytes: 8192 frames of 4096 (`af_xdp_umem_create`, net/af-xdp.c).
pub(crate) const QEMU_QUEUE: u64 = 32 << 20;

/// Whether this QEMU has the af-xdp netdev; `None` where it does not say.
pub(crate) fn has_af_xdp(qemu: &Path, patience: Duration) -> Option<bool> {
    let list = process::output(qemu, &["-netdev", "help"], patience)?;
    let types: Vec<&str> = list.lines().map(str::trim).collect();
    // Every QEMU has hubport: without it this is not such a list.
    types.contains(&"hubport").then(|| types.contains(&"af-xdp"))
}

/// The version that this QEMU says it has.
pub(crate) fn version(qemu: &Path, patience: Duration) -> Option<String> {
    let text = process::output(qemu, &["--version"], patience)?;
    let line = text.lines().next()?;
    line.strip_prefix("QEMU emulator version ").map(str::to_owned)
}
