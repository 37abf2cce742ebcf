// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface with everything that is known about it before the first check, each thing asked for
//! once.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use xsk_netlink::{Channels, Features, Link};

use crate::kernel;
use crate::sys::ethtool;
use crate::sys::netlink::{self, Ethtool, Netlink};

/// What the checks look at.
#[derive(Debug, Default)]
pub(crate) struct Nic {
    pub(crate) link: Link,
    /// The folder in /sys, where that shows this very interface.
    pub(crate) sysfs: Option<PathBuf>,
    /// The name of the driver; empty where nobody says it.
    pub(crate) driver: String,
    /// The features that are on, by the kernel's names for them.
    pub(crate) features: BTreeSet<String>,
    pub(crate) channels: Option<Channels>,
    /// The queues that RSS spreads over.
    pub(crate) spread: Option<BTreeSet<u32>>,
    /// `xdp-features`, where the kernel tells them.
    pub(crate) xdp: Option<Features>,
    /// The interface below, or the other end of a veth, as far as it is in this namespace.
    pub(crate) other: Option<Link>,
    /// Its features that are on, where it can be asked.
    pub(crate) other_features: Option<BTreeSet<String>>,
    /// Its channels, where it can be asked and tells.
    pub(crate) other_channels: Option<Channels>,
    /// The bridge, bond or team that it is a port of.
    pub(crate) master: Option<Link>,
    /// The addresses that the host has on it.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether a default route of the host leaves by it.
    pub(crate) default_route: bool,
}

impl Nic {
    /// Returns the interface of this name; `None` where there is none.
    pub(crate) fn find(ifname: &str) -> io::Result<Option<Self>> {
        let route = netlink::route()?;
        let Some(link) = route.link_by_name(ifname)? else { return Ok(None) };
        let netdev = netlink::netdev(kernel::version()).ok().flatten();
        let mut nic = Self {
            spread: ethtool::spread(&link.name),
            xdp: netdev.and_then(|netdev| netdev.features(link.ifindex).ok()),
            addresses: route.addresses(link.ifindex).unwrap_or_default(),
            default_route: route.has_default_route(link.ifindex).unwrap_or(false),
            link,
            ..Self::default()
        };
        nic.find_relatives(&route);
        nic.sysfs = sysfs(&nic.link);
        nic.driver = driver(&nic.link, nic.sysfs.as_deref());
        if let Some(ethtool) = netlink::ethtool().ok().flatten() {
            nic.ask_ethtool(&ethtool);
        }
        Ok(Some(nic))
    }

    fn find_relatives(&mut self, route: &Netlink) {
        let find = |index: Option<u32>| route.link_by_index(index?).ok().flatten();
        self.other = find(self.link.lower);
        self.master = find(self.link.master);
    }

    fn ask_ethtool(&mut self, ethtool: &Ethtool) {
        let channels = |index| ethtool.channels(index).ok().flatten();
        self.features = ethtool.features(self.link.ifindex).unwrap_or_default();
        self.channels = channels(self.link.ifindex);
        let other = self.other.as_ref().map(|other| other.ifindex);
        self.other_features = other.and_then(|index| ethtool.features(index).ok());
        self.other_channels = other.and_then(channels);
    }

    pub(crate) fn name(&self) -> &str {
        &self.link.name
    }

    pub(crate) fn has(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }

    pub(crate) fn is_veth(&self) -> bool {
        self.link.kind == "veth"
    }

    /// The queues in use, to receive and to send; `None` where nobody says.
    pub(crate) fn queues(&self) -> Option<(u32, u32)> {
        let folder = self.sysfs.as_ref()?.join("queues").read_dir().ok()?;
        let names: Vec<_> = folder.flatten().map(|entry| entry.file_name()).collect();
        let count = |prefix: &str| {
            names.iter().filter(|name| name.to_string_lossy().starts_with(prefix)).count() as u32
        };
        Some((count("rx-"), count("tx-")))
    }

    /// The queues in use to receive.
    pub(crate) fn receives(&self) -> Option<u32> {
        let channels = self.channels.map(|channels| channels.rx + channels.combined);
        self.queues().map(|(rx, _)| rx).or(channels)
    }

    /// The queues by which the other end of a veth sends, if it is to be seen.
    pub(crate) fn peer_sends(&self) -> Option<u32> {
        let peer = self.other.as_ref().filter(|_| self.is_veth())?;
        Some(self.other_channels.map_or(peer.tx_queues, |channels| channels.tx))
    }

    /// A file of the interface's folder in /sys.
    pub(crate) fn read(&self, file: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.sysfs.as_ref()?.join(file)).ok()?;
        Some(text.trim().to_owned())
    }
}

fn sysfs(link: &Link) -> Option<PathBuf> {
    let folder = Path::new("/sys/class/net").join(&link.name);
    let index: u32 = std::fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
    (index == link.ifindex).then_some(folder)
}

/// The driver that is bound to the device; for one without a device what ethtool says, which is its
/// kind.
fn driver(link: &Link, sysfs: Option<&Path>) -> String {
    let bound = sysfs.and_then(|folder| folder.join("device/driver").read_link().ok());
    let name = bound.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    name.or_else(|| ethtool::driver(&link.name)).unwrap_or_default()
}
