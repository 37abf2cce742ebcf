// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process as a person knows it.
#![forbid(unsafe_code)]

use std::fs;

use crate::audit::shown;

/// The process's number and the beginning of its command line, fit for a terminal: the process's
/// user writes that text.
pub(crate) fn of(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
    if line.is_empty() { format!("{pid}") } else { format!("{pid} ({})", shown(&line)) }
}
