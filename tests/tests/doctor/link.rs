// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults of interfaces, on real ones. Both ends of a cable are on the host here, so that doctor
//! sees them.

use xsk_tests::lab;
use xsk_tests::lab::foreign::{NATIVE, SKB, Way};
use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Lab, SOON};

use super::said::{doctor, mended, source};

/// A cable with both ends on the host, `eth1` and `far1`, up.
fn cable(lab: &Lab, queues: &str) {
    let both = ["numrxqueues", queues, "numtxqueues", queues];
    ip(&[&["link", "add", "eth1"], &both[..], &["type", "veth", "peer", "name", "far1"], &both]
        .concat());
    ip(&["link", "set", "eth1", "up"]);
    ip(&["link", "set", "far1", "up"]);
    lab.allow("*");
}

#[test]
fn an_interface_that_is_missing_is_named_once() {
    let lab = lab!();
    lab.allow("*");
    let said = doctor(&lab, "eth9");
    said.has("fail", "interface", "there is no eth9 in this network namespace", "ip link");
    said.lacks("policy");
    said.exits(78);
    lab.veth_named("eth9", 9, 1);
    let said = doctor(&lab, "eth9");
    said.ok("interface", "eth9 is up, driver veth");
    said.exits(0);
    ip(&["link", "property", "add", "dev", "eth9", "altname", "other9"]);
    let said = doctor(&lab, "other9");
    said.has(
        "fail",
        "interface",
        "other9 is not the primary name of eth9",
        "xsk-client doctor eth9",
    );
    said.exits(78);
    doctor(&lab, "a%d").exits(78);
    lab.no_helpers_but(&[]);
}

#[test]
fn an_interface_that_is_down_or_has_no_carrier() {
    let lab = lab!();
    cable(&lab, "1");
    ip(&["link", "set", "eth1", "down"]);
    let said = doctor(&lab, "eth1");
    let message = "eth1 is down, driver veth: no frame will pass";
    mended(&lab, &said.has("note", "interface", message, "sudo ip link set eth1 up"));
    ip(&["link", "set", "far1", "down"]);
    let message = "eth1 is up and has no carrier, driver veth: no frame will pass";
    let said = doctor(&lab, "eth1");
    said.exits(0);
    mended(&lab, &said.has("note", "interface", message, "sudo ip link set far1 up"));
    doctor(&lab, "eth1").ok("interface", "eth1 is up, driver veth");
    lab.no_helpers_but(&[]);
}

#[test]
fn an_mtu_that_no_buffer_holds() {
    let lab = lab!();
    cable(&lab, "1");
    ip(&["link", "set", "far1", "mtu", "9000"]);
    let said = doctor(&lab, "eth1");
    let message = "far1, the other end, has 9000 bytes, and veth takes native XDP up to 3506";
    said.has("note", "mtu", message, "sudo ip link set far1 mtu 1500");
    // The figure is the kernel's.
    let attaches = |mtu: &str| {
        ip(&["link", "set", "far1", "mtu", mtu]);
        lab.try_stranger("eth1", NATIVE).is_ok()
    };
    assert_eq!((attaches("3507"), attaches("3506")), (false, true));
    ip(&["link", "set", "eth1", "mtu", "9000"]);
    let said = doctor(&lab, "eth1");
    said.exits(78);
    said.lacks("policy");
    let message = "9000 bytes: QEMU would silently lose frames over 3840 bytes";
    mended(&lab, &said.has("fail", "mtu", message, "sudo ip link set eth1 mtu 1500"));
    let said = doctor(&lab, "eth1");
    said.ok("mtu", "1500 bytes");
    said.exits(0);
    lab.no_helpers_but(&[]);
}

#[test]
fn somebody_elses_program() {
    let lab = lab!();
    cable(&lab, "1");
    let stranger = lab.stranger("eth1", Way::Netlink, NATIVE);
    let id = lab.xdp("eth1").unwrap().id;
    let said = doctor(&lab, "eth1");
    said.has(
        "note",
        "program",
        &format!("XDP program {id} is on it, and it is not known to be the helper's; another one's has to go"),
        "sudo bpftool net show dev eth1; then, by what put it there: sudo xdp-loader unload eth1 --all (libxdp), \
         sudo ip link set dev eth1 xdp off (ip; in skb mode: xdpgeneric off), or end the process that holds its link (sudo bpftool \
         link show)",
    );
    lab.cmd("ip").args(["link", "set", "dev", "eth1", "xdp", "off"]).run(SOON).ok();
    doctor(&lab, "eth1").ok("program", "no XDP program is on it");
    drop(stranger);
    let holder =
        lab.client("run").args(["--acquire", "af-xdp,id=n0,ifname=eth1", "--", "sh", "-c"]);
    let mut holder = holder.arg("echo held; exec sleep 60").start();
    holder.says("held", SOON);
    let said = doctor(&lab, "eth1");
    said.ok("program", "the helper's XDP program");
    said.ok("helper", "leases that you can see: 1");
    drop(holder);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn flows_that_go_to_queues_which_a_guest_does_not_have() {
    let lab = lab!();
    cable(&lab, "4");
    let said = doctor(&lab, "eth1");
    said.ok("queues", "4 to receive, 4 to send (allocated: 4, 4)");
    let mend = said.has(
        "note",
        "flows",
        "the other end's CPUs and hash choose among 4 queues: a guest sees its own queues' share only, unless it has \
         all of them (queues=4)",
        "sudo ethtool -L far1 rx 1 tx 1 && sudo ethtool -L eth1 rx 1 tx 1",
    );
    mended(&lab, &mend);
    let said = doctor(&lab, "eth1");
    said.ok("flows", "every frame arrives on the only queue");
    said.ok("queues", "1 to receive, 1 to send (allocated: 4, 4)");
    said.ok("native", "native XDP");
    lab.no_helpers_but(&[]);
}

#[test]
fn the_other_end_sends_by_too_many_queues() {
    let lab = lab!();
    cable(&lab, "2");
    lab.cmd("ethtool").args(["-L", "eth1", "rx", "1"]).run(SOON).ok();
    assert!(lab.try_stranger("eth1", NATIVE).is_err(), "native XDP attaches");
    let message =
        "no native XDP: the other end sends by more queues than the 1 by which eth1 receives";
    let mend = doctor(&lab, "eth1").has("note", "native", message, "sudo ethtool -L far1 tx 1");
    mended(&lab, &mend);
    doctor(&lab, "eth1").ok("native", "native XDP");
    assert!(lab.try_stranger("eth1", NATIVE).is_ok(), "native XDP does not attach");
    lab.no_helpers_but(&[]);
}

#[test]
fn the_other_ends_offloads() {
    let lab = lab!();
    cable(&lab, "1");
    let said = doctor(&lab, "eth1");
    let message =
        "far1, the other end, sends frames without their checksums, and a guest drops them";
    mended(&lab, &said.has("note", "checksums", message, "sudo ethtool -K far1 tx off"));
    let message = "far1, the other end, leaves VLAN tags beside the frame, where they are lost";
    mended(&lab, &said.has("note", "vlan", message, "sudo ethtool -K far1 txvlan off"));
    said.lacks("segments");
    let said = doctor(&lab, "eth1");
    said.ok("checksums", "far1, the other end, fills them in");
    said.lacks("vlan");
    // In skb mode segments matter, too: there is a program of that kind, or no other way.
    lab.cmd("ethtool").args(["-K", "far1", "tx", "on", "tso", "on"]).run(SOON).ok();
    let _stranger = lab.stranger("eth1", Way::Netlink, SKB);
    let said = doctor(&lab, "eth1");
    let message = "far1, the other end, sends segments unsplit, and skb mode drops those";
    let mend = "sudo ethtool -K far1 tso off gso off tx-udp-segmentation off";
    mended(&lab, &said.has("note", "segments", message, mend));
    doctor(&lab, "eth1").lacks("segments");
    // An end that is elsewhere is not seen.
    let veth = lab.veth_named("eth7", 7, 1);
    doctor(&lab, &veth.ifname).has(
        "note",
        "checksums",
        "the other end is in another network namespace: whether it fills in checksums cannot be seen from here",
        "in the other end's network namespace: ethtool -K PEER tx off",
    );
    let program = lab.stranger(&veth.ifname, Way::Netlink, SKB);
    doctor(&lab, &veth.ifname).has(
        "note",
        "segments",
        "the other end is in another network namespace: whether it splits segments, as skb mode needs it, cannot be seen from here",
        "in the other end's network namespace: ethtool -K PEER tso off gso off",
    );
    drop(program);
    lab.no_helpers_but(&[]);
}

#[test]
fn the_host_on_the_same_interface() {
    let lab = lab!();
    cable(&lab, "1");
    doctor(&lab, "eth1").ok("host", "it has no address and no default route by it");
    ip(&["address", "add", "192.0.2.7/24", "dev", "eth1"]);
    ip(&["route", "add", "default", "via", "192.0.2.1", "dev", "eth1"]);
    let said = doctor(&lab, "eth1");
    let mend = said.has(
        "note",
        "route",
        "the host's default route leaves by it: the host, and who came that way, may be cut off",
        "take another interface; or, with another way out: sudo ip route del default dev eth1",
    );
    mended(&lab, mend.split(": ").last().unwrap());
    let message = "the host is 192.0.2.7 here, and nobody reaches it so by a leased queue";
    mended(&lab, &said.has("note", "host", message, "sudo ip address flush dev eth1"));
    let said = doctor(&lab, "eth1");
    said.ok("host", "it has no address");
    said.lacks("route");
    lab.no_helpers_but(&[]);
}

#[test]
fn devices_on_top_of_devices() {
    let lab = lab!();
    cable(&lab, "1");
    ip(&["link", "add", "link", "eth1", "name", "mv1", "type", "macvlan"]);
    let said = doctor(&lab, "mv1");
    let message = format!("no native XDP, skb mode only{}", source(&lab, "mv1"));
    said.has("note", "native", &message, "xsk-client doctor eth1");
    ip(&["link", "del", "mv1"]);
    ip(&["link", "add", "br1", "type", "bridge"]);
    ip(&["link", "set", "eth1", "master", "br1"]);
    let message = "a bridge: frames between its ports do not pass here";
    doctor(&lab, "br1").has(
        "note",
        "bridge",
        message,
        "use one of its ports: bridge link show master br1",
    );
    let message = "a port of br1 (bridge), which does not see these queues' frames";
    let mend = doctor(&lab, "eth1").has("note", "upper", message, "sudo ip link set eth1 nomaster");
    mended(&lab, &mend);
    doctor(&lab, "eth1").lacks("upper");
    lab.no_helpers_but(&[]);
}
