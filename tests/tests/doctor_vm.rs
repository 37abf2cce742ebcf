// SPDX-License-Identifier: MIT OR Apache-2.0
//! Doctor before cards and devices that not every machine has: `make vm` runs these. What it says
//! is compared with what an AF_XDP socket gets there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "doctor/said.rs"]
mod said;

use std::time::{Duration, Instant};

use said::{doctor, mended, source};
use xsk_socket::Bound;
use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::packet::{Tap, frame};
use xsk_tests::lab::wire::with_credentials;
use xsk_tests::lab::{Lab, SOON, Veth, Wire, afxdp, nic};

/// Makes a device, or says that this kernel has none of its kind.
fn made(lab: &Lab, words: &str) -> bool {
    let done = lab.cmd("ip").words(words).run(SOON);
    if !done.status.success() {
        lab::say_elsewhere(&format!("ip {words}: {}", done.stderr.trim()));
    }
    done.status.success()
}

#[test]
fn a_card_with_rss_and_vlan_offload() {
    let Some((nic, lab)) = nic::lab_with("igb") else { return };
    lab.allow("*");
    lab.channels(&nic, 2);
    let name = &nic.ifname;
    // Whatever another test has made of it. A newer ethtool sets `input_xfrm`, which was reserved
    // before Linux 6.8.
    let equal = lab.cmd("ethtool").args(["-X", name, "equal", "2"]).run(SOON);
    let settable = !equal.stderr.contains("Invalid argument");
    if settable {
        equal.ok();
    }
    let said = doctor(&lab, name);
    said.ok("native", "native XDP");
    let message = "rx-vlan-offload is on: the card removes the tag from the frame, and a guest does not see it";
    mended(&lab, &said.has("note", "vlan", message, &format!("sudo ethtool -K {name} rxvlan off")));
    let message = "RSS spreads flows over 2 of 2 queues: a guest sees its own queues' share only, unless it has all of \
                   them (queues=2)";
    let equal = format!("sudo ethtool -X {name} equal 1");
    let steer = format!(
        "{equal}; or, a guest alone: sudo ethtool -N {name} flow-type ether dst MAC action QUEUE"
    );
    let steers = said.says("flows", "; or, a guest alone");
    let mend = said.has("note", "flows", message, if steers { &steer } else { &equal });
    if settable {
        mended(&lab, &mend);
        doctor(&lab, name).ok("flows", "every frame comes by queue 0");
    } else {
        lab::say_figure(
            "this ethtool cannot set RSS on this kernel: what mends it is not executed",
        );
    }
    doctor(&lab, name).lacks("vlan");
    lab.no_helpers_but(&[]);
}

#[test]
fn a_virtio_card() {
    let Some((nic, lab)) = nic::lab_with("virtio_net") else { return };
    lab.allow("*");
    lab.channels(&nic, 2);
    let said = doctor(&lab, &nic.ifname);
    said.ok("native", "native XDP");
    said.ok("virtio", "the guest offloads are off, or the driver can turn them off for XDP");
    said.ok("queues", "2 to receive");
    lab.channels(&nic, 1);
    doctor(&lab, &nic.ifname).ok("flows", "every frame arrives on the only queue");
    lab.no_helpers_but(&[]);
}

#[test]
fn a_bond_and_its_port() {
    let lab = lab!();
    if !made(&lab, "link add bond1 type bond mode active-backup") {
        return;
    }
    let veth = lab.veth(1);
    lab.allow("*");
    ip(&["link", "set", &veth.ifname, "down"]);
    ip(&["link", "set", &veth.ifname, "master", "bond1"]);
    ip(&["link", "set", "bond1", "up"]);
    let said = doctor(&lab, "bond1");
    let message = "skb mode: a bond takes native XDP and delivers nothing to sockets then";
    said.has("note", "native", message, "for speed, use an interface that is not a bond");
    let message = "a port of bond1 (bond), which does not see these queues' frames";
    let mend = "sudo ip link set eth1 nomaster";
    mended(&lab, &doctor(&lab, &veth.ifname).has("note", "upper", message, mend));
    doctor(&lab, &veth.ifname).lacks("upper");
    lab.no_helpers_but(&[]);
}

/// A socket on the only queue of a cable.
fn bound(lab: &Lab, veth: &Veth) -> (Bound, Wire) {
    let (wire, running) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    drop(running);
    let (index, socket) = (grant.granted.ifindex, grant.sockets.remove(0));
    let bound = with_credentials(&lab.user, || afxdp::bind_within(socket, index, 0, SOON)).unwrap();
    (bound, wire)
}

/// The EtherType with which the frame with this text arrives. It is sent again until then: newer
/// kernels let the socket into the map a moment after it was bound.
fn arrives(bound: &mut Bound, tap: &mut Tap, text: &str) -> [u8; 2] {
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        tap.send(&frame(text));
        let _ = bound.wait(Some(Duration::from_millis(100))).unwrap();
        let found = bound.recv(64).iter().find_map(|frame| {
            let carried = frame.windows(text.len()).any(|part| part == text.as_bytes());
            carried.then(|| [frame[12], frame[13]])
        });
        if let Some(kind) = found {
            return kind;
        }
    }
    panic!("{text:?} did not arrive");
}

#[test]
fn a_tag_that_a_cable_leaves_beside_the_frame() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let peer = &veth.peer;
    if !lab.in_peer(|| made(&lab, "link add link peer1 name tagged1 type vlan id 5")) {
        return;
    }
    lab.in_peer(|| ip(&["link", "set", "tagged1", "up"]));
    let mut tap = lab.in_peer(|| lab.host_tap("tagged1"));
    let (mut socket, wire) = bound(&lab, &veth);
    assert_eq!(arrives(&mut socket, &mut tap, "beside"), [0x88, 0xb5], "the tag is in the frame");
    lab.peer_cmd("ethtool").args(["-K", peer, "txvlan", "off"]).run(SOON).ok();
    assert_eq!(
        arrives(&mut socket, &mut tap, "inside"),
        [0x81, 0x00],
        "the tag is not in the frame"
    );
    drop((socket, wire));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_vlan_device_has_no_xdp_of_its_own() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    if !made(&lab, "link add link eth1 name eth1.5 type vlan id 5") {
        return;
    }
    let said = doctor(&lab, "eth1.5");
    let message = format!("no native XDP, skb mode only{}", source(&lab, "eth1.5"));
    said.has("note", "native", &message, &format!("xsk-client doctor {}", veth.ifname));
    lab.no_helpers_but(&[]);
}
