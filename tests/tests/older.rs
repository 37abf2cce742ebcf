// SPDX-License-Identifier: MIT OR Apache-2.0
//! What older kernels really lack, one clear sentence each: `make vm` runs these on them. What can
//! be taken away from a kernel is in `lacking.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::{SOCKET, SOON, Wire};
use xsk_tests::proto::Reply;

/// Says that the test is about older kernels, which this one must not be then.
fn newer(than: (u32, u32), why: &str) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(version >= than, "{release} is not said to lack what it lacks");
    if std::env::var_os("XSK_VM").is_none() {
        lab::say_elsewhere(why);
    }
}

#[test]
fn before_5_19_revoke_empties_what_a_keeper_may_not() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow("*");
    let listener = lab.listen();
    let (wire, other) = (lab.wire(), lab.wire());
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let kept = other.get(&veth.ifname, 1, 1).unwrap();
    if !grant.granted.warnings.iter().any(|warning| warning.text.starts_with("before Linux 5.19")) {
        drop((grant, kept, wire, other));
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
        return newer((5, 19), "this kernel lets a keeper empty its slots");
    }
    let said =
        lab.cmd("xsk-helper").args(["revoke", &veth.ifname, "--queue", "0"]).run(SOON).ok().stdout;
    assert!(said.contains("1 lease revoked"), "{said}");
    // The keeper may not, and so the command does.
    assert!(said.contains("emptied the slot of queue 0 that keeper"), "{said}");
    let Reply::Event(event) = wire.reply().0 else { panic!("no event") };
    assert_eq!(
        event.text,
        "the lease was revoked; before Linux 5.19 the queues receive until their sockets are closed, as long as the interface has other leases"
    );
    assert!(wire.ends(SOON));
    let orphans: Vec<u32> = Wire::connect(SOCKET).status().interfaces.remove(0).orphans;
    assert!(orphans.is_empty(), "{orphans:?}");
    let again = lab.wire();
    drop(again.get(&veth.ifname, 0, 1).unwrap());
    drop((again, grant, kept, other));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
