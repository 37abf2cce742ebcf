// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client attach` and `detach`.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use xsk_command::{EndpointArgs, WaitArgs, seconds};

/// Plug an af-xdp netdev into a running QEMU.
///
/// Acquires the sockets, passes them and the lease to QEMU over its QMP socket, and adds the netdev
/// and, with --device, the card. If a step fails, the steps before it are undone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    qemu-system-x86_64 ... -qmp unix:/tmp/qmp,server=on,wait=off\n  \
    xsk-client attach --qmp /tmp/qmp --device virtio-net-pci af-xdp,id=n0,ifname=eth1\n  \
    xsk-client detach --qmp /tmp/qmp n0")]
pub struct AttachArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// QEMU's QMP socket.
    #[arg(long, value_name = "PATH")]
    pub qmp: PathBuf,

    /// Add this card too, with its options: virtio-net-pci,mac=... (the default id is dev-ID).
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,

    /// Ask for promiscuous mode.
    #[arg(long)]
    pub promisc: bool,

    /// The netdev, as QEMU's -netdev takes it: af-xdp,id=n0,ifname=eth1.
    #[arg(value_name = "NETDEV")]
    pub netdev: OsString,
}

/// Unplug what attach plugged in, and end its lease.
///
/// Removes the card, waits until the guest has released it, removes the netdev, and closes the
/// lease.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// QEMU's QMP socket.
    #[arg(long, value_name = "PATH")]
    pub qmp: PathBuf,

    /// The id of the card [default: dev-ID, if there is one].
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,

    /// How long the guest may take to release the card, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub wait: Duration,

    /// The netdev's id.
    #[arg(value_name = "ID")]
    pub id: String,
}
