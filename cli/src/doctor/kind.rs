// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the interface is to others: a port of a bond, a bridge, a virtual function, or a card with
//! quirks.
#![forbid(unsafe_code)]

use std::path::Path;

use xsk_netlink::VirtualFunction;

use super::finding::Finding;
use super::virtio;
use crate::kernel;
use crate::nic::Nic;
use crate::sys::netlink;

pub(super) fn findings(nic: &Nic) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        [bridge(nic), port(nic), function(nic), doubled(nic)].into_iter().flatten().collect();
    findings.extend(virtio::findings(nic));
    findings
}

fn bridge(nic: &Nic) -> Option<Finding> {
    let message = "a bridge: frames between its ports do not pass here";
    let mend = format!("use one of its ports: bridge link show master {}", nic.name());
    (nic.link.kind == "bridge").then(|| Finding::note("bridge", message, mend))
}

/// Frames of a leased queue do not reach the device above.
fn port(nic: &Nic) -> Option<Finding> {
    nic.link.master?;
    let (above, kind) = match &nic.master {
        Some(master) => (master.name.as_str(), master.kind.as_str()),
        None => ("another device", "port"),
    };
    let message = format!("a port of {above} ({kind}), which does not see these queues' frames");
    Some(Finding::note("upper", message, format!("sudo ip link set {} nomaster", nic.name())))
}

/// A virtual function belongs to its user. What the user may do with it is set on the physical
/// function, whose interface may be in another network namespace.
fn function(nic: &Nic) -> Option<Finding> {
    let device = nic.sysfs.as_ref()?.join("device");
    let physical = device.join("physfn");
    let number = number_of(&device, &physical)?;
    let interface = physical
        .join("net")
        .read_dir()
        .ok()
        .and_then(|mut all| Some(all.next()?.ok()?.file_name()));
    let Some(above) = interface.map(|name| name.to_string_lossy().into_owned()) else {
        let message = format!(
            "virtual function {number} of a card that cannot be seen from here; whether it may send from other addresses is not known"
        );
        let mend = format!(
            "where the physical function PF is: ip link set PF vf {number} trust off spoofchk on"
        );
        return Some(Finding::note("vf", message, mend));
    };
    let state = setting(&above, number);
    let whose = format!("virtual function {number} of {above}");
    Some(match state {
        Some(VirtualFunction { trusted: false, spoof_checked: true }) => {
            Finding::ok("vf", format!("{whose}: not trusted, checked for spoofing"))
        }
        state => {
            let doubt = if state.is_some() {
                "it may"
            } else {
                "it cannot be seen from here whether it may"
            };
            let message = format!("{whose}: {doubt} send from other addresses or receive for them");
            let mend = format!("sudo ip link set {above} vf {number} trust off spoofchk on");
            Finding::note("vf", message, mend)
        }
    })
}

fn setting(physical: &str, number: u32) -> Option<VirtualFunction> {
    let route = netlink::route().ok()?;
    let link = route.link_by_name(physical).ok()??;
    route.virtual_function(link.ifindex, number).ok()?
}

/// The physical function names its virtual ones `virtfn0`, `virtfn1`, ...
fn number_of(device: &Path, physical: &Path) -> Option<u32> {
    let device = device.canonicalize().ok()?;
    physical.read_dir().ok()?.flatten().find_map(|entry| {
        let number = entry.file_name().to_string_lossy().strip_prefix("virtfn")?.parse().ok()?;
        (entry.path().canonicalize().ok()? == device).then_some(number)
    })
}

/// mlx5 had a second set of queues for AF_XDP, until Linux 6.1.
fn doubled(nic: &Nic) -> Option<Finding> {
    if nic.driver != "mlx5_core" || kernel::version() >= (6, 1) {
        return None;
    }
    let first = nic.receives()?;
    let message =
        format!("mlx5 before Linux 6.1 has the queues for AF_XDP after the first {first}");
    let mend = format!("start-queue={first} for the first of them; or: boot 6.1 or later");
    Some(Finding::note("mlx5", message, mend))
}
