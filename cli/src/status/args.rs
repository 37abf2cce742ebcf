// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client status`.
#![forbid(unsafe_code)]

use std::time::Duration;

use clap::{Args, ValueEnum};
use xsk_command::{EndpointArgs, seconds};

/// Show what is leased: your leases, or everybody's for root.
///
/// Prints one line per lease. The helper reads the state from the kernel when it is asked. With
/// --json it is an object with `interfaces` and `leases`. The lines are sorted by interface and
/// queue. The columns: INTERFACE, or its number and "gone"; QUEUES, first to last; USER; NAME, that
/// of QEMU's -name; COMMAND and CLIENT, the program and the process that asked for the lease; AGE
/// since the grant, or "granting" until the client has its sockets; MODE of the XDP program;
/// CONFINED, to which the sockets are held; IDLE, queues whose socket is gone; KEEPER, the process
/// of the lease; RULE, which granted it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  xsk-client status\n  xsk-client status eth1 --watch\n  xsk-client status --json | jq '.leases[].ifname'\n  \
                        xsk-client status --format prometheus > /var/lib/node_exporter/xsk.prom"
)]
pub struct StatusArgs {
    /// Only leases of this interface.
    pub ifname: Option<String>,

    /// Only leases of this user, by name or number.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Show the table again every so many seconds, on a terminal in the same place.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
        default_missing_value = "2", value_parser = pause, conflicts_with_all = ["json", "format"])]
    pub watch: Option<Duration>,

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

/// A pause in which the helper is not kept busy by one who looks.
fn pause(text: &str) -> Result<Duration, String> {
    let pause = seconds(text)?;
    if pause < Duration::from_millis(100) {
        Err("at least 0.1 seconds".to_owned())
    } else {
        Ok(pause)
    }
}
