// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface: there, up, with which driver and how many queues, and with frames that fit.

use std::path::Path;

use rustix::io::Errno;
use xsk_proto::{Code, IfName};

use super::Finding;
use crate::sys::link::{self, Link};
use crate::{Error, Kind};

/// A frame of 4096 bytes less XDP's headroom, less an Ethernet header.
const MAX_MTU: u32 = 4096 - 256 - 14;

/// Looks at `ifname`; `ours` are the programs of the helper.
pub(super) fn findings(ifname: &str, ours: &[u32]) -> Vec<Finding> {
    if let Err(error) = IfName::parse(ifname) {
        let kind = Kind::Refused(Code::BadName);
        return vec![Finding::fail("interface", kind, format!("{ifname}: {error}"), "ip link")];
    }
    match link::by_name(ifname) {
        Ok(link) => {
            vec![
                state(ifname, &link),
                queues(ifname, &link),
                mtu(ifname, &link),
                program(ifname, &link, ours),
            ]
        }
        Err(Errno::NODEV) => {
            let kind = Kind::Refused(Code::NoSuchInterface);
            let message = format!("there is no {ifname} in this network namespace");
            vec![Finding::fail("interface", kind, message, "ip link")]
        }
        Err(errno) => vec![Finding::of("interface", Error::system("rtnetlink", errno))],
    }
}

fn state(ifname: &str, link: &Link) -> Finding {
    let driver = driver(ifname, link);
    if link.up {
        return Finding::ok("interface", format!("{ifname} is up, {driver}"));
    }
    Finding::note(
        "interface",
        format!("{ifname} is down, {driver}: no frame will pass"),
        format!("sudo ip link set {ifname} up"),
    )
}

/// sysfs, where it shows this very interface.
fn sysfs(ifname: &str, link: &Link) -> Option<std::path::PathBuf> {
    let folder = Path::new("/sys/class/net").join(ifname);
    let index: u32 = std::fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
    (index == link.index).then_some(folder)
}

fn driver(ifname: &str, link: &Link) -> String {
    if !link.kind.is_empty() {
        return format!("kind {}", link.kind);
    }
    let driver = sysfs(ifname, link).and_then(|folder| folder.join("device/driver").read_link().ok());
    let name = driver.and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    format!("driver {}", name.unwrap_or_else(|| "not known".into()))
}

fn queues(ifname: &str, link: &Link) -> Finding {
    let folder = sysfs(ifname, link).and_then(|folder| folder.join("queues").read_dir().ok());
    let Some(folder) = folder else {
        return Finding::ok("queues", "not to be seen from here; the helper checks them");
    };
    let names: Vec<String> =
        folder.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let count = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    Finding::ok("queues", format!("{} to receive, {} to send", count("rx-"), count("tx-")))
}

fn mtu(ifname: &str, link: &Link) -> Finding {
    if link.mtu <= MAX_MTU {
        return Finding::ok("mtu", format!("{} bytes", link.mtu));
    }
    let message = format!("{} bytes: QEMU would lose frames over 3840 bytes without a word", link.mtu);
    Finding::fail(
        "mtu",
        Kind::Refused(Code::MtuTooLarge),
        message,
        format!("sudo ip link set {ifname} mtu 1500"),
    )
}

fn program(ifname: &str, link: &Link, ours: &[u32]) -> Finding {
    match link.program {
        0 => Finding::ok("program", "no XDP program is on it"),
        id if ours.contains(&id) => {
            Finding::ok("program", format!("XDP program {id} is on it, the helper's"))
        }
        id => Finding::note(
            "program",
            format!(
                "XDP program {id} is on it, and it is not known to be the helper's; another one's has to go"
            ),
            format!(
                "sudo bpftool net show dev {ifname}; then, by what put it there: sudo xdp-loader unload {ifname} --all \
                 (libxdp), sudo ip link set dev {ifname} xdp off (ip; in skb mode: xdpgeneric off), or end who holds \
                 its link (sudo bpftool link show)"
            ),
        ),
    }
}
