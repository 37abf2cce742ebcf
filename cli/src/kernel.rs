// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kernel this is.
#![forbid(unsafe_code)]

/// As uname(1) has it.
pub(crate) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Major and minor number.
pub(crate) fn version() -> (u32, u32) {
    let release = release();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
