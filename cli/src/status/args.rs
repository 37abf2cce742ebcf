// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client status`.
#![forbid(unsafe_code)]

use clap::{Args, ValueEnum};
use xsk_command::EndpointArgs;

/// Show what is leased: your leases, or everybody's for root.
///
/// Prints one line per lease. The helper reads the state from the kernel when it is asked. With
/// --json it is an object with `interfaces` and `leases`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  xsk-client status\n  xsk-client status --json | jq '.leases[].ifname'\n  \
                        xsk-client status --format prometheus > /var/lib/node_exporter/xsk.prom"
)]
pub struct StatusArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,

    /// How to show it.
    #[arg(long, value_enum, default_value = "text")]
    pub format: StatusFormat,
}

/// How to show the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// A table.
    Text,
    /// One JSON object.
    Json,
    /// The text format of Prometheus.
    Prometheus,
}

impl StatusArgs {
    /// The format that was chosen.
    pub fn chosen(&self) -> StatusFormat {
        if self.json { StatusFormat::Json } else { self.format }
    }
}
