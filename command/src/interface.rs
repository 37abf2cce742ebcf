// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a netdev asks for that depends on its interface: all of its queues, or its address.

use std::path::Path;

use xsk_client::netdev::Netdev;
use xsk_client::proto::Code;
use xsk_client::{Error, Kind, similar};
use xsk_netlink::Link;

use crate::netlink::{self, link};

/// Returns the netdev with a number for `queues=all`: as many as receive, from its `start-queue`
/// on.
///
/// # Errors
/// There is no such interface, or it has no such queue.
pub fn settle(netdev: Netdev) -> Result<Netdev, Error> {
    if !netdev.options().all_queues {
        return Ok(netdev);
    }
    let (ifname, first) = (&netdev.options().ifname, netdev.options().start_queue);
    let count = rx_queues(&find(ifname)?);
    let rest = count.checked_sub(first).filter(|rest| *rest > 0).ok_or_else(|| {
        let message = format!("{ifname} has {count} queues to receive, and none from {first} on");
        Error::new(Kind::Refused(Code::QueueRange), ifname, message).hint("leave out start-queue=")
    })?;
    netdev.with_queues(rest).map_err(|error| Error::new(Kind::Usage, ifname, error.to_string()))
}

/// The interface of this name, which has to be its first one.
pub(crate) fn find(ifname: &str) -> Result<Link, Error> {
    let found = link(ifname).map_err(|error| Error::system("rtnetlink", error))?;
    let link = found.ok_or_else(|| missing(ifname, &netlink::names()))?;
    if link.name == ifname {
        return Ok(link);
    }
    let message =
        format!("'{ifname}' is another name of {}, and only the first one is taken", link.name);
    Err(Error::new(Kind::Refused(Code::BadName), ifname, message)
        .hint(format!("ifname={}", link.name)))
}

fn missing(ifname: &str, names: &[String]) -> Error {
    let message = format!("there is no interface '{ifname}'");
    let meant = similar(ifname, names.iter().map(String::as_str));
    Error::new(Kind::Refused(Code::NoSuchInterface), ifname, message).hint(match meant {
        Some(name) => format!("did you mean {name}? All of this network namespace: ip link"),
        None => "list the interfaces of this network namespace: ip link".to_owned(),
    })
}

/// Returns the queues of an interface that receive: those in use, or where nobody says which are,
/// those allocated.
pub fn rx_queues(link: &Link) -> u32 {
    let channels = || netlink::receive_channels(link.ifindex);
    in_sysfs(link).or_else(channels).unwrap_or(link.rx_queues)
}

/// Sysfs shows the network namespace in which it was mounted, which need not be ours.
fn in_sysfs(link: &Link) -> Option<u32> {
    let folder = Path::new("/sys/class/net").join(&link.name);
    let index: u32 = std::fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
    let queues = folder.join("queues").read_dir().ok().filter(|_| index == link.ifindex)?;
    let receive =
        queues.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("rx-"));
    u32::try_from(receive.count()).ok().filter(|count| *count > 0)
}
