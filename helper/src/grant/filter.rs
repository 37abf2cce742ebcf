// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interface receives for a lease besides its own address: every frame, all groups, or a
//! guest's address. A packet socket asks the kernel for it, and the kernel takes it back when the
//! keeper ends and closes that socket. It is never handed out: a bind on it needs no capability and
//! would receive the whole interface.

use std::os::fd::OwnedFd;

use caps::Capability::CAP_NET_RAW;
use xsk_proto::Filter;

use super::device::Device;
use super::mac::Mac;
use super::options::Options;
use crate::error::{Failure, InterfaceFault, Taken};
use crate::sys::sockets::Membership;
use crate::sys::{privilege, sockets};

/// Opens the filter that the options ask for; `None` if they ask for none. The interface's lock is
/// held, so that two leases cannot get the same address.
pub(super) fn open(device: &Device<'_>, options: &Options) -> Result<Option<OwnedFd>, Failure> {
    if !options.macs.is_empty() {
        check_kind(device)?;
    }
    options.macs.iter().try_for_each(|mac| check(device, *mac))?;
    let mut wanted: Vec<_> = options.macs.iter().map(|mac| Membership::Unicast(mac.0)).collect();
    wanted.extend(options.promisc.then_some(Membership::Everything));
    wanted.extend(options.allmulti.then_some(Membership::Groups));
    if wanted.is_empty() {
        return Ok(None);
    }
    let ifindex = device.link.ifindex;
    privilege::with(&[CAP_NET_RAW], || sockets::members(ifindex, &wanted))
        .map_err(|error| Failure::sys("raising CAP_NET_RAW", error))?
        .map_err(|error| {
            Failure::sys_of("opening the interface's filter", &device.link.name, error)
        })
        .map(Some)
}

/// A macvlan receives by its own address alone, whatever its filter has (`macvlan_handle_frame`,
/// drivers/net/macvlan.c).
fn check_kind(device: &Device<'_>) -> Result<(), Failure> {
    let (name, kind) = (&device.link.name, device.link.kind.as_str());
    if !device.link.takes_own_address_alone() {
        return Ok(());
    }
    let own = Mac(device.link.mac).to_string();
    Err(InterfaceFault::FixedAddress { name: name.clone(), kind: kind.to_owned(), own }.into())
}

/// Refuses an address that an interface of this host or another lease has.
fn check(device: &Device<'_>, mac: Mac) -> Result<(), Failure> {
    let (name, netlink) = (&device.link.name, &device.kernel().netlink);
    let failed = |error| Failure::sys_of("asking the kernel whose address it is", name, error);
    if let Some(owner) = netlink.owner(mac.0).map_err(failed)? {
        return Err(Taken::Address { mac: mac.to_string(), owner: owner.name }.into());
    }
    if netlink.filter(device.link.ifindex).map_err(failed)?.contains(&mac.0) {
        return Err(Taken::Filter { name: name.clone(), mac: mac.to_string() }.into());
    }
    Ok(())
}

/// What holds on the interface now; `device` is as it was before this lease.
pub(super) fn holds(device: &Device<'_>, options: &Options) -> Filter {
    let all_frames = options.promisc || device.link.promiscuity > 0;
    Filter {
        allmulti: options.allmulti,
        macs: options.macs.iter().map(|mac| mac.0).collect(),
        all_frames,
        all_groups: all_frames || options.allmulti || device.link.allmulti > 0,
    }
}
