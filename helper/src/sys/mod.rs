// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every system call that neither `std` nor `nix` offers safely, and every unsafe block of this
//! crate.
//!
//! What is here says what the kernel does and decides nothing.
#![allow(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod database;
pub(crate) mod landlock;
pub(crate) mod locks;
pub(crate) mod pidfd;
pub(crate) mod privilege;
pub(crate) mod process;
pub(crate) mod schedule;
pub(crate) mod sockets;
#[cfg(test)]
pub(crate) mod trial;

use std::io;

/// Turns the usual "-1 and errno" into a result.
fn check(ret: libc::c_int) -> io::Result<libc::c_int> {
    if ret == -1 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}
