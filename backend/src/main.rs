// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command `xsk-backend`; everything is in the library, so that documentation and tests can use
//! it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    xsk_backend::main()
}
