// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface: it exists, is up, its frames fit, and no foreign program is on it.
#![forbid(unsafe_code)]

use xsk_client::{Error, Kind};
use xsk_netlink::{Attached, Link, SINGLE_BUFFER, VETH_PEER_MTU, XdpMode};
use xsk_proto::{Code, IfName};

use super::finding::Finding;
use super::{kind, native, offloads, peer, queues, stack};
use crate::nic::Nic;

/// Looks at `ifname`; `ours` are the programs of the helper.
pub(super) fn findings(ifname: &str, ours: &[u32]) -> Vec<Finding> {
    if let Err(error) = IfName::parse(ifname) {
        return vec![fail(Code::BadName, format!("{ifname}: {error}"), "ip link")];
    }
    match Nic::find(ifname) {
        Ok(Some(nic)) if nic.name() != ifname => {
            let message = format!("{ifname} is not the primary name of {}", nic.name());
            vec![fail(Code::BadName, message, format!("xsk-client doctor {}", nic.name()))]
        }
        Ok(Some(nic)) if nic.link.not_ethernet().is_some() => {
            let why = nic.link.not_ethernet().unwrap_or_default();
            let message = format!("{ifname} cannot carry a guest's frames: {why}");
            vec![fail(
                Code::NotEthernet,
                message,
                "use another interface: ip link shows those of type link/ether",
            )]
        }
        Ok(Some(nic)) => all(&nic, ours),
        Ok(None) => {
            let message = format!("there is no {ifname} in this network namespace");
            vec![fail(Code::NoSuchInterface, message, "ip link")]
        }
        Err(error) => vec![Finding::of("interface", Error::system("rtnetlink", error))],
    }
}

fn fail(code: Code, message: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding::fail("interface", Kind::Refused(code), message, mend)
}

fn all(nic: &Nic, ours: &[u32]) -> Vec<Finding> {
    let native = native::of(nic);
    let skb = match nic.link.xdp.first() {
        Some(program) => program.mode == XdpMode::Skb,
        None => !native.attaches(),
    };
    let mut findings = vec![state(nic), native.finding(nic)];
    findings.extend(kind::findings(nic));
    findings.extend([queues::numbers(nic), queues::flows(nic)]);
    findings.extend(offloads::findings(nic, skb));
    findings.extend(peer::findings(nic, skb));
    findings.extend([mtu(nic), program(nic, ours)]);
    findings.extend(stack::findings(nic));
    findings
}

fn state(nic: &Nic) -> Finding {
    let (name, link) = (nic.name(), &nic.link);
    let driver = if nic.driver.is_empty() { "not known" } else { &nic.driver };
    if !link.up {
        let message = format!("{name} is down, driver {driver}: no frame will pass");
        return Finding::note("interface", message, format!("sudo ip link set {name} up"));
    }
    if link.carrier {
        return Finding::ok("interface", format!("{name} is up, driver {driver}"));
    }
    let message = format!("{name} is up and has no carrier, driver {driver}: no frame will pass");
    let mend = match &nic.other {
        Some(other) => format!("sudo ip link set {} up", other.name),
        None if nic.is_veth() => "in the other end's network namespace: ip link set PEER up".into(),
        None => format!("see to the cable, and to the other end: ethtool {name}"),
    };
    Finding::note("interface", message, mend)
}

fn mtu(nic: &Nic) -> Finding {
    let mtu = nic.link.mtu;
    if nic.link.fits_single_buffer() {
        let peer = nic.other.as_ref().filter(|peer| nic.is_veth() && peer.mtu > VETH_PEER_MTU);
        return peer.map_or_else(|| Finding::ok("mtu", format!("{mtu} bytes")), mtu_of_peer);
    }
    let message =
        format!("{mtu} bytes: QEMU would silently lose frames over {SINGLE_BUFFER} bytes");
    let kind = Kind::Refused(Code::MtuTooLarge);
    Finding::fail("mtu", kind, message, format!("sudo ip link set {} mtu 1500", nic.name()))
}

fn mtu_of_peer(peer: &Link) -> Finding {
    let message = format!(
        "{}, the other end, has {} bytes, and veth takes native XDP up to {VETH_PEER_MTU}",
        peer.name, peer.mtu
    );
    Finding::note("mtu", message, format!("sudo ip link set {} mtu 1500", peer.name))
}

fn program(nic: &Nic, ours: &[u32]) -> Finding {
    let name = nic.name();
    let foreign = |program: &&Attached| !ours.contains(&program.prog_id);
    let programs = &nic.link.xdp;
    match programs.iter().find(foreign).or(programs.first()).map(|program| program.prog_id) {
        None => Finding::ok("program", "no XDP program is on it"),
        Some(id) if ours.contains(&id) => {
            Finding::ok("program", format!("the helper's XDP program {id} is on it"))
        }
        Some(id) => Finding::note(
            "program",
            format!(
                "XDP program {id} is on it, and it is not known to be the helper's; another one's has to go"
            ),
            format!(
                "sudo bpftool net show dev {name}; then, by what put it there: sudo xdp-loader unload {name} --all \
                 (libxdp), sudo ip link set dev {name} xdp off (ip; in skb mode: xdpgeneric off), or end the process that holds its link (sudo bpftool link show)"
            ),
        ),
    }
}
