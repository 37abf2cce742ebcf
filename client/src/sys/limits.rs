// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a program that is started here can have privileges.

use std::path::Path;

use rustix::thread::no_new_privs;

/// Whether the file has capabilities of its own, of any kind.
pub(crate) fn has_file_capabilities(program: &Path) -> bool {
    let mut data = [0_u8; 24];
    rustix::fs::getxattr(program, "security.capability", &mut data[..]).is_ok()
}

/// Whether a program started from here cannot gain privileges by its mode bits or file
/// capabilities.
pub(crate) fn privileges_are_barred() -> bool {
    no_new_privs().unwrap_or(false)
}
