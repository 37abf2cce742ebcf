// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface with everything that is known about it before the first check, each thing asked for once.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::sys::ethtool::{self, Channels};
use crate::sys::genl;
use crate::sys::link::{self, Link};

/// What the checks look at.
#[derive(Debug, Default)]
pub(super) struct Nic {
    pub(super) link: Link,
    /// The folder in /sys, where that shows this very interface.
    pub(super) sysfs: Option<PathBuf>,
    /// The name of the driver; empty where nobody says it.
    pub(super) driver: String,
    /// The features that are on, by the kernel's names for them.
    pub(super) features: BTreeSet<String>,
    pub(super) channels: Option<Channels>,
    /// The queues that RSS spreads over.
    pub(super) spread: Option<BTreeSet<u32>>,
    /// `xdp-features`, where the kernel tells them.
    pub(super) xdp: Option<u32>,
    /// The interface below, or the other end of a veth, as far as it is in this namespace.
    pub(super) other: Option<Link>,
}

impl Nic {
    pub(super) fn find(ifname: &str) -> Result<Self, Errno> {
        let link = link::by_name(ifname)?;
        let sysfs = sysfs(&link);
        Ok(Self {
            driver: driver(&link, sysfs.as_deref()),
            features: ethtool::features(&link.name).unwrap_or_default(),
            channels: ethtool::channels(&link.name),
            spread: ethtool::spread(&link.name),
            xdp: genl::xdp_features(link.index),
            other: link.other.and_then(|index| link::by_index(index).ok()),
            sysfs,
            link,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.link.name
    }

    pub(super) fn has(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }

    pub(super) fn is_veth(&self) -> bool {
        self.link.kind == "veth"
    }

    /// The queues in use, to receive and to send; `None` where nobody says.
    pub(super) fn queues(&self) -> Option<(u32, u32)> {
        let folder = self.sysfs.as_ref()?.join("queues").read_dir().ok()?;
        let names: Vec<_> = folder.flatten().map(|entry| entry.file_name()).collect();
        let count = |prefix: &str| {
            names.iter().filter(|name| name.to_string_lossy().starts_with(prefix)).count() as u32
        };
        Some((count("rx-"), count("tx-")))
    }

    /// The queues in use to receive.
    pub(super) fn receives(&self) -> Option<u32> {
        let channels = self.channels.map(|channels| channels.rx + channels.combined);
        self.queues().map(|(rx, _)| rx).or(channels)
    }

    /// The queues by which the other end of a veth sends, if it is to be seen.
    pub(super) fn peer_sends(&self) -> Option<u32> {
        let peer = self.other.as_ref().filter(|_| self.is_veth())?;
        Some(ethtool::channels(&peer.name).map_or(peer.allocated.1, |channels| channels.tx))
    }

    /// A file of the interface's folder in /sys.
    pub(super) fn read(&self, file: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.sysfs.as_ref()?.join(file)).ok()?;
        Some(text.trim().to_owned())
    }
}

fn sysfs(link: &Link) -> Option<PathBuf> {
    let folder = Path::new("/sys/class/net").join(&link.name);
    let index: u32 = std::fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
    (index == link.index).then_some(folder)
}

/// The driver that is bound to the device; for one without a device what ethtool says, which is its kind.
fn driver(link: &Link, sysfs: Option<&Path>) -> String {
    let bound = sysfs.and_then(|folder| folder.join("device/driver").read_link().ok());
    let name = bound.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    name.or_else(|| ethtool::driver(&link.name)).unwrap_or_default()
}
