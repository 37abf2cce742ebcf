// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface of a request: looked up by name once, and from then on by its index.

use std::io;

use xsk_netlink::{Channels, Link};
use xsk_proto::{IfName, Warning};

use super::surroundings::Surroundings;
use super::{sysfs, tags};
use crate::error::{Failure, InterfaceFault};
use crate::kernel::Kernel;
use crate::netlink::Netdev;

/// An interface that exists.
pub(crate) struct Device<'k> {
    pub(crate) link: Link,
    kernel: &'k Kernel,
}

fn failed(name: &str) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::sys_of("asking the kernel about the interface", name, error)
}

impl<'k> Device<'k> {
    /// Looks the name up. It has to be the primary name, because the policy's patterns match
    /// primary names.
    pub(crate) fn find(kernel: &'k Kernel, name: &IfName) -> Result<Self, Failure> {
        let found = kernel.netlink.link_by_name(name.as_str()).map_err(failed(name.as_str()))?;
        let link = found.ok_or_else(|| InterfaceFault::Missing(name.to_string()))?;
        if link.name != name.as_str() {
            return Err(InterfaceFault::NotPrimary(name.to_string()).into());
        }
        Ok(Self { link, kernel })
    }

    /// Returns where the kernel is asked what the driver can do.
    pub(crate) fn netdev(&self) -> Option<&'k Netdev> {
        self.kernel.netdev.as_ref()
    }

    /// Returns where the kernel is asked about it.
    pub(crate) fn kernel(&self) -> &'k Kernel {
        self.kernel
    }

    /// Refuses an interface that does not carry Ethernet frames.
    pub(crate) fn check_kind(&self) -> Result<(), Failure> {
        let Link { name, kind, .. } = &self.link;
        let Some(why) = self.link.not_ethernet() else { return Ok(()) };
        let (name, tun) = (name.clone(), kind == "tun");
        Err(InterfaceFault::NotEthernet { name, why, tun }.into())
    }

    /// Reads it again by its index, under the interface's lock. Fails if it is not the interface
    /// that the policy was asked about any more.
    pub(crate) fn refresh(&mut self) -> Result<(), Failure> {
        let name = self.link.name.clone();
        match self.kernel.netlink.link_by_index(self.link.ifindex).map_err(failed(&name))? {
            Some(link) if link.name == name => {
                self.link = link;
                Ok(())
            }
            None => Err(InterfaceFault::Removed(name).into()),
            Some(_) => Err(InterfaceFault::Renamed(name).into()),
        }
    }

    /// Returns the failure, or the removal of the interface if that is its cause: the kernel then
    /// answers EINVAL to an attach or to a socket option.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        match self.kernel.netlink.link_by_index(self.link.ifindex) {
            Ok(None) => InterfaceFault::Removed(self.link.name.clone()).into(),
            _ => failure,
        }
    }

    /// Returns how many queues are in use. The kernel refuses to bind to others (net/xdp/xsk.c,
    /// `xsk_reg_pool_at_qid`).
    pub(crate) fn real_queues(&self, name: &IfName) -> u32 {
        let shown = sysfs::queues(name.as_str(), self.link.ifindex);
        let known = shown.max(self.channels()).filter(|count| *count > 0);
        known.unwrap_or_else(|| self.link.queues_allocated())
    }

    /// A driver that does not tell is no reason to refuse: bind(2) decides.
    fn channels(&self) -> Option<u32> {
        self.told_channels().map(|channels| channels.in_use())
    }

    fn told_channels(&self) -> Option<Channels> {
        self.kernel.ethtool.as_ref()?.channels(self.link.ifindex).ok()?
    }

    /// Refuses queues that do not exist.
    pub(crate) fn check_queues(
        &self,
        name: &IfName,
        first: u32,
        count: u32,
    ) -> Result<(), Failure> {
        let last = first.saturating_add(count - 1);
        // Queues are numbered from 0 without a gap, so asking for the last one is enough.
        if self.netdev().and_then(|netdev| netdev.has_queue(self.link.ifindex, last)) == Some(true)
        {
            return Ok(());
        }
        let real = self.real_queues(name);
        if has_all(real, first, count) {
            return Ok(());
        }
        let more =
            self.told_channels().and_then(|channels| growing(channels, last.saturating_add(1)));
        Err(InterfaceFault::QueueRange { name: name.to_string(), real, first, last, more }.into())
    }

    /// Refuses an MTU with which a frame might not fit into one buffer, unless the consumer takes
    /// several.
    pub(crate) fn check_mtu(&self, frags: bool) -> Result<(), Failure> {
        let Link { name, mtu, .. } = &self.link;
        if frags || self.link.fits_single_buffer() {
            return Ok(());
        }
        Err(InterfaceFault::Mtu { name: name.clone(), mtu: *mtu }.into())
    }

    /// Returns what the host itself has to do with the interface. A question that fails is no
    /// warning.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let Link { name, ifindex, .. } = &self.link;
        let netlink = &self.kernel.netlink;
        let surroundings = Surroundings {
            up: self.link.up,
            addresses: netlink.addresses(*ifindex).is_ok_and(|found| !found.is_empty()),
            upper: self.link.master.is_some() || sysfs::has_upper(name, *ifindex),
            default_route: netlink.has_default_route(*ifindex).unwrap_or(false),
        };
        surroundings.warnings(name).chain(tags::warning(self.kernel, &self.link)).collect()
    }
}

/// Returns the options of `ethtool -L` that give an interface so many channels, where it can have
/// them. A veth has none that are combined.
fn growing(channels: Channels, wanted: u32) -> Option<String> {
    match channels {
        Channels { max_combined, .. } if max_combined >= wanted => {
            Some(format!("combined {wanted}"))
        }
        Channels { max_rx, .. } if max_rx >= wanted => Some(format!("rx {wanted}")),
        _ => None,
    }
}

/// Returns whether an interface with so many queues has all of these.
fn has_all(real: u32, first: u32, count: u32) -> bool {
    first.checked_add(count).is_some_and(|end| end <= real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_channels_that_a_driver_has_are_proposed() {
        let card = Channels { max_combined: 8, combined: 4, ..Channels::default() };
        assert_eq!(growing(card, 8).as_deref(), Some("combined 8"));
        assert_eq!(growing(card, 9), None);
        let veth = Channels { max_rx: 4, rx: 1, tx: 1, ..Channels::default() };
        assert_eq!(growing(veth, 2).as_deref(), Some("rx 2"));
    }

    #[test]
    fn queues_are_numbered_from_0() {
        assert!(has_all(4, 0, 4) && has_all(4, 3, 1));
        assert!(!has_all(4, 3, 2) && !has_all(4, 4, 1) && !has_all(0, 0, 1));
        assert!(!has_all(u32::MAX, u32::MAX, 1));
    }
}
