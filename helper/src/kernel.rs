// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets by which this process asks the kernel about interfaces. They are opened once for all
//! requests, and before the client connects if the process waits for one.

use xsk_netlink::XdpMode;
use xsk_proto::Mode;

use crate::error::Failure;
use crate::leases::key::Netns;
use crate::netlink::{self, Ethtool, Netdev, Netlink};
use crate::netns;

/// The network namespace of this process, and the connections to the kernel there.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) netns: Netns,
    pub(crate) netlink: Netlink,
    /// `None` where the kernel has no such family.
    pub(crate) netdev: Option<Netdev>,
    /// `None` where the kernel has no such family.
    pub(crate) ethtool: Option<Ethtool>,
}

impl Kernel {
    pub(crate) fn open() -> Result<Self, Failure> {
        let netns = netns::own()?;
        let netlink = netlink::route().map_err(|error| Failure::sys("opening rtnetlink", error))?;
        let (netdev, ethtool) =
            (netlink::netdev().ok().flatten(), netlink::ethtool().ok().flatten());
        Ok(Self { netns, netlink, netdev, ethtool })
    }
}

/// Returns the mode as a client knows it; `None` for a program in the hardware.
pub(crate) fn mode(mode: XdpMode) -> Option<Mode> {
    match mode {
        XdpMode::Native => Some(Mode::Native),
        XdpMode::Skb => Some(Mode::Skb),
        XdpMode::Hardware => None,
    }
}
