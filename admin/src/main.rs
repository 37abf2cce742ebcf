// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    xsk_helper_admin::start()
}
