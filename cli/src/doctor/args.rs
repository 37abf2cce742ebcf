// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client doctor`.
#![forbid(unsafe_code)]

use clap::Args;
use xsk_command::EndpointArgs;

/// Check everything that has to be there, and name the command that mends what is not.
///
/// One line a check: ok, note, or FAIL with the command that mends it. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  xsk-client doctor\n  xsk-client doctor eth1\n  \
                        xsk-client doctor eth1 --json | jq '.[] | select(.state == \"fail\")'\n\n\
                        Exit status: 0 all is well, else that of the worst: 69 no helper, 77 denied, 78 configuration.")]
pub struct DoctorArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// The interface that is to be used.
    #[arg(value_name = "IFNAME")]
    pub ifname: Option<String>,

    /// An array with an object a check: check, state, message, mend.
    #[arg(long)]
    pub json: bool,

    /// The QEMU that is to be used.
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-x86_64")]
    pub qemu: String,
}
