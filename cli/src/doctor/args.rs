// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client doctor`.
#![forbid(unsafe_code)]

use clap::Args;
use xsk_command::EndpointArgs;

/// Check everything that is needed, and name the command that fixes what is missing.
///
/// Prints one line per check: ok, note, or FAIL with the command that fixes it. Changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  xsk-client doctor\n  xsk-client doctor eth1\n  \
                        sudo xsk-client doctor --as alice eth1\n  \
                        xsk-client doctor eth1 --json | jq '.[] | select(.state == \"fail\")'\n\n\
                        Exit status: 0 if nothing failed, otherwise that of the worst failure: 69 no helper, 77 denied, 78 configuration.")]
pub struct DoctorArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// The interface to use.
    #[arg(value_name = "IFNAME")]
    pub ifname: Option<String>,

    /// Check as this user: what they may have, their groups and their limits. For root.
    #[arg(long = "as", value_name = "USER")]
    pub user: Option<String>,

    /// Print an array with one object per check: check, state, message, mend.
    #[arg(long)]
    pub json: bool,

    /// The QEMU to use.
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-x86_64")]
    pub qemu: String,
}
