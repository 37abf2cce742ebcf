// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interface lets in for a lease: groups, and the addresses of guests. Both end with the
//! keeper.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::wire::Leased;
use xsk_tests::lab::{Lab, Running, SOON, Wire, wait_until, wire};
use xsk_tests::lab::{afxdp, packet};
use xsk_tests::proto::{Acquire, Code, Filter, Param, Refused, Value};

const GUEST: &str = "52:54:00:12:34:56";
const GUEST_BYTES: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// IFF_ALLMULTI of linux/if.h.
const ALLMULTI: u32 = 0x200;

fn asking(ifname: &str, queue: u32, params: &[(&str, Value)]) -> Acquire {
    let params =
        params.iter().map(|(name, value)| Param { name: (*name).into(), value: value.clone() });
    Acquire { params: params.collect(), ..wire::acquire(ifname, queue, 1) }
}

fn groups() -> (&'static str, Value) {
    ("allmulti", Value::Flag(true))
}

fn macs(list: &str) -> (&'static str, Value) {
    ("macs", Value::Text(list.into()))
}

fn takes_all_groups(ifname: &str) -> bool {
    let flags = std::fs::read_to_string(format!("/sys/class/net/{ifname}/flags")).unwrap();
    u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap() & ALLMULTI != 0
}

/// Whether the interface's own filter has the address.
fn receives_for(lab: &Lab, ifname: &str, mac: &str) -> bool {
    let done = lab.cmd("bridge").args(["fdb", "show", "dev", ifname]).run(SOON).ok();
    done.stdout.lines().any(|line| line.starts_with(mac) && line.contains("self"))
}

/// A conversation of the lab's user with a helper of its own, which is killed when this is dropped
/// early.
struct Talk {
    wire: Wire,
    _helper: Running,
}

fn begin(lab: &Lab) -> Talk {
    let (wire, helper) = lab.exec(&lab.user);
    wire.greet();
    Talk { wire, _helper: helper }
}

impl Talk {
    fn ask(&self, request: Acquire) -> Result<Leased, Refused> {
        self.wire.ask(request)
    }
}

fn policy(lab: &Lab, more: &str) {
    let rule =
        format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nshared = true\n", lab.user.uid);
    lab.policy(&(rule + more));
}

#[test]
fn all_groups_are_let_in_as_long_as_the_lease_lasts_and_every_grant_says_so() {
    let lab = lab!();
    lab.veth(2);
    policy(&lab, "");
    let (first, second) = (begin(&lab), begin(&lab));
    let one = first.ask(asking("eth1", 0, &[groups()])).unwrap();
    assert_eq!(
        one.granted.filter,
        Filter { allmulti: true, all_groups: true, ..Filter::default() }
    );
    assert!(takes_all_groups("eth1"));
    // What one lease has switched on holds for all, and another's grant says that.
    let other = second.ask(asking("eth1", 1, &[])).unwrap();
    assert_eq!(other.granted.filter, Filter { all_groups: true, ..Filter::default() });
    drop((first, one));
    wait_until(SOON, "the filter to close", || !takes_all_groups("eth1"));
    drop((second, other));
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_rule_can_forbid_all_groups() {
    let lab = lab!();
    lab.veth(1);
    policy(&lab, "allmulti = false\n");
    let refused = begin(&lab).ask(asking("eth1", 0, &[groups()])).unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed);
    assert!(
        refused.message.contains("does not allow all-multicast mode on eth1"),
        "{}",
        refused.message
    );
    assert!(!takes_all_groups("eth1"));
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_guests_address_is_received_as_long_as_the_lease_lasts() {
    let lab = lab!();
    lab.veth(2);
    policy(&lab, "macs = [\"52:54:00:*\"]\n");
    let (first, second) = (begin(&lab), begin(&lab));
    let one = first.ask(asking("eth1", 0, &[macs(&GUEST.to_uppercase())])).unwrap();
    assert_eq!(one.granted.filter, Filter { macs: vec![GUEST_BYTES], ..Filter::default() });
    assert!(receives_for(&lab, "eth1", GUEST));
    let refused = second.ask(asking("eth1", 1, &[macs(GUEST)])).unwrap_err();
    assert_eq!(refused.code, Code::Busy);
    assert!(
        refused.message.contains("eth1 receives for 52:54:00:12:34:56 already"),
        "{}",
        refused.message
    );
    drop((first, one));
    wait_until(SOON, "the filter to close", || !receives_for(&lab, "eth1", GUEST));
    let again = begin(&lab);
    drop(again.ask(asking("eth1", 1, &[macs(GUEST)])).unwrap());
    drop((second, again));
    lab.nothing_left("eth1", &[]);
}

#[test]
fn addresses_that_are_nobodys_guests_are_refused() {
    let lab = lab!();
    lab.veth(1);
    ip(&["link", "set", "eth1", "address", "02:00:00:00:00:07"]);
    policy(&lab, "");
    let code = |list: &str| begin(&lab).ask(asking("eth1", 0, &[macs(list)])).unwrap_err();
    assert_eq!(code(GUEST).code, Code::NotAllowed);
    policy(&lab, "macs = [\"*\"]\n");
    let five = [GUEST; 5].join(",");
    for bad in
        ["", "52:54:00:12:34", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", &five]
    {
        assert_eq!(code(bad).code, Code::UnknownOption, "{bad}");
    }
    let refused = code("02:00:00:00:00:07");
    assert_eq!(refused.code, Code::Busy);
    assert!(
        refused.message.contains("02:00:00:00:00:07 is the address of eth1"),
        "{}",
        refused.message
    );
    lab.nothing_left("eth1", &[]);
}

/// IPv6 pings to a guest on a macvlan, whose neighbour discovery goes to a group.
fn pings(lab: &Lab, peer: &str) -> String {
    let netdev = "af-xdp,ifname=mv1";
    let mut cmd = lab.user_cmd("xsk-backend").args(["--helper", lab::HELPER, "--netdev", netdev]);
    cmd = cmd.args(["--peer", "echo=fd77::2"]);
    let mut running = cmd.start();
    running.says("ready:", SOON);
    let done = lab.peer_cmd("ping").words("-6 -c 3 -i 0.1 -W 1 fd77::2").run(SOON);
    lab.peer_cmd("ip").args(["-6", "neigh", "flush", "dev", peer]).run(SOON).ok();
    running.signal(Signal::SIGTERM);
    running.finish(SOON).ok();
    lab.nothing_left("mv1", &[]);
    done.stdout
}

#[test]
fn a_guest_on_a_macvlan_hears_neighbour_discovery() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.give_peer(&veth, &["fd77::1/64"]);
    ip(&["link", "add", "link", "eth1", "name", "mv1", "type", "macvlan", "mode", "bridge"]);
    ip(&["link", "set", "mv1", "up"]);
    lab.client("status").run(SOON);
    policy(&lab, "allmulti = false\n");
    let said = pings(&lab, &veth.peer);
    assert!(said.contains(" 0 received"), "without the groups: {said}");
    policy(&lab, "");
    let said = pings(&lab, &veth.peer);
    assert!(said.contains("3 received"), "{said}");
    assert!(!takes_all_groups("mv1"));
}

/// Promiscuous mode does not help there either: frames are told apart by the address of the
/// macvlan.
#[test]
fn a_macvlan_receives_for_its_own_address_alone() {
    let lab = lab!();
    let veth = lab.veth(1);
    ip(&["link", "add", "link", "eth1", "name", "mv1", "type", "macvlan", "mode", "bridge"]);
    ip(&["link", "set", "mv1", "up"]);
    policy(&lab, "macs = [\"*\"]\npromisc = true\n");
    let refused = begin(&lab).ask(asking("mv1", 0, &[macs(GUEST)])).unwrap_err();
    assert_eq!(refused.code, Code::ModeUnsupported);
    assert!(
        refused.message.contains("mv1 is a macvlan, which receives for its own address alone"),
        "{refused:?}"
    );
    assert!(refused.hint.contains("mac="), "{refused:?}");
    let talk = begin(&lab);
    let mut grant = talk.ask(asking("mv1", 0, &[("promisc", Value::Flag(true))])).unwrap();
    let mut bound = afxdp::bind(grant.sockets.remove(0), lab.ifindex("mv1"), 0).unwrap();
    let mut tap = lab.peer_tap(&veth);
    let mut send = |to: [u8; 6], text: &str| {
        let mut frame = packet::frame(text);
        frame[..6].copy_from_slice(&to);
        tap.send(&frame);
    };
    send(GUEST_BYTES, "to the guest");
    assert!(!afxdp::receives(&mut bound, "to the guest", Duration::from_millis(500)));
    send(grant.granted.mac, "to the macvlan again");
    assert!(afxdp::receives(&mut bound, "to the macvlan again", SOON));
}
