// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a grant warns of and `doctor` notes: what the host itself has on the interface. Both must
//! say the same about it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Lab, SOON, Veth};
use xsk_tests::proto::WarningKind;
use xsk_tests::{lab, skip};

/// The kinds of warning that a grant has.
fn warnings(lab: &Lab, veth: &Veth) -> Vec<WarningKind> {
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let kinds = grant.granted.warnings.iter().map(|warning| warning.kind).collect();
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
    kinds
}

/// The checks that doctor has a note for.
fn notes(lab: &Lab, veth: &Veth) -> Vec<String> {
    let said = lab.client("doctor").args(["--qemu", "/nonexistent", &veth.ifname]).run(SOON);
    let noted = said.stdout.lines().filter_map(|line| line.strip_prefix("note  "));
    noted.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Whether grant and doctor see a default route; they have to agree.
#[track_caller]
fn sees_default_route(lab: &Lab, veth: &Veth) -> bool {
    let warned = warnings(lab, veth).contains(&WarningKind::DefaultRoute);
    let noted = notes(lab, veth).contains(&"route".to_owned());
    assert_eq!(warned, noted, "a grant warns: {warned}, doctor notes: {noted}");
    warned
}

#[test]
fn the_grant_warns_of_addresses() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    assert!(!warnings(&lab, &veth).contains(&WarningKind::Addresses));
    lab.give_address(&veth);
    assert!(warnings(&lab, &veth).contains(&WarningKind::Addresses));
}

/// Two interfaces of the host that lead to a router each.
fn uplinks(lab: &Lab) -> [Veth; 2] {
    let uplinks = [lab.veth(1), lab.veth(1)];
    lab.policy(&format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid));
    for (n, uplink) in (1..).zip(&uplinks) {
        lab.give_address(uplink);
        let disabled = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", uplink.ifname);
        std::fs::write(disabled, "0").unwrap();
        let six = format!("2001:db8:{n}::2/64");
        ip(&["-6", "address", "add", &six, "dev", &uplink.ifname, "nodad"]);
    }
    uplinks
}

/// A default route by the first uplink, by the second, and by both.
fn each_uplink_is_seen(lab: &Lab, uplinks: &[Veth; 2], family: &str, routers: [&str; 2]) {
    let hops = [0, 1].map(|n| ["nexthop", "via", routers[n], "dev", &uplinks[n].ifname]);
    for (route, leaves) in [
        (hops[0][1..].to_vec(), [true, false]),
        (hops[1][1..].to_vec(), [false, true]),
        (hops.concat(), [true, true]),
    ] {
        ip(&[&[family, "route", "add", "default"], &route[..]].concat());
        let seen = [0, 1].map(|n| sees_default_route(lab, &uplinks[n]));
        assert_eq!(seen, leaves, "{}", route.join(" "));
        ip(&[&[family, "route", "del", "default"], &route[..]].concat());
    }
}

#[test]
fn a_default_route_by_one_uplink_or_by_both_is_seen() {
    let lab = lab!();
    let uplinks = uplinks(&lab);
    let routers = [0, 1].map(|n| uplinks[n].peer_ip.to_string());
    assert!(!sees_default_route(&lab, &uplinks[0]));
    each_uplink_is_seen(&lab, &uplinks, "-4", [&routers[0], &routers[1]]);
    each_uplink_is_seen(&lab, &uplinks, "-6", ["2001:db8:1::1", "2001:db8:2::1"]);
}

/// A nexthop object is named by its number. By default the kernel adds its hops for programs that
/// do not know of such objects, and where net.ipv4.nexthop_compat_mode is 0 it does not.
#[test]
fn a_default_route_by_a_nexthop_group_is_seen() {
    const COMPATIBLE: &str = "/proc/sys/net/ipv4/nexthop_compat_mode";
    let lab = lab!();
    if !std::path::Path::new(COMPATIBLE).exists() {
        skip!("this kernel has no nexthop objects");
    }
    let uplinks = uplinks(&lab);
    let other = lab.veth(1);
    for (family, routers) in
        [("-4", ["10.77.1.1", "10.77.2.1"]), ("-6", ["2001:db8:1::1", "2001:db8:2::1"])]
    {
        for n in [0, 1] {
            let (id, device) = (["1", "2"][n], &uplinks[n].ifname);
            ip(&[family, "nexthop", "add", "id", id, "via", routers[n], "dev", device]);
        }
        ip(&["nexthop", "add", "id", "10", "group", "1/2"]);
        for (nexthop, leaves) in [("1", [true, false]), ("10", [true, true])] {
            ip(&[family, "route", "add", "default", "nhid", nexthop]);
            for mode in ["1", "0"] {
                std::fs::write(COMPATIBLE, mode).unwrap();
                let seen = [0, 1].map(|n| sees_default_route(&lab, &uplinks[n]));
                assert_eq!(seen, leaves, "{family} nexthop {nexthop}, compatible: {mode}");
            }
            assert!(!sees_default_route(&lab, &other), "{family} nexthop {nexthop}");
            ip(&[family, "route", "del", "default", "nhid", nexthop]);
        }
        ip(&["nexthop", "flush"]);
    }
}

#[test]
fn a_grant_warns_of_vlan_tags_that_are_lost_on_the_way() {
    let lab = lab!();
    lab.allow("*");
    ip(&["link", "add", "eth3", "type", "veth", "peer", "name", "peer3"]);
    let run = || {
        lab.client("run").words("--acquire af-xdp,id=n0,ifname=eth3 -- true").run(SOON).ok().stderr
    };
    let said = run();
    assert!(
        said.contains("VLAN tags are lost, since peer3 leaves them beside the frame"),
        "{said}"
    );
    assert!(said.contains("ethtool -K peer3 txvlan off"), "{said}");
    lab.cmd("ethtool").words("-K peer3 txvlan off").run(SOON).ok();
    assert!(!run().contains("VLAN"));
    lab.nothing_left("eth3", &[]);
}
