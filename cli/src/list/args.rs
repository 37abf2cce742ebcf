// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client list`.
#![forbid(unsafe_code)]

use clap::Args;
use xsk_command::EndpointArgs;

/// List the interfaces that you may use, and which of their queues are free.
///
/// Asks the helper about each Ethernet interface of this network namespace, and changes nothing.
/// The columns: INTERFACE; DRIVER; LINK, whether frames can pass; MTU; MAC; QUEUES, how many
/// receive; YOURS, those of your leases; OTHERS, those where somebody else has a socket, or "?"
/// where neither the helper nor this kernel tells (before Linux 6.15); MODE in which the program is
/// attached or would be; MAY, what a lease may ask for; MEMLOCK, to which the helper would raise
/// that limit; RULE, which allows it. An interface that you may use, and not as it is, follows with
/// the reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  xsk-client list\n  \
                        xsk-client list --json | jq -r '.[] | select(.free != []) | .ifname'")]
pub struct ListArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// Print an array with one object per interface.
    #[arg(long)]
    pub json: bool,
}
