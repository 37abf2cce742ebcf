// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client`: AF_XDP sockets for QEMU and others, without privileges. All of it is in the
//! library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    xsk_cli::main(std::env::args_os())
}
