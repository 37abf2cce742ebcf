// SPDX-License-Identifier: MIT OR Apache-2.0
//! A driver with zero-copy and RSS, igb as QEMU emulates it: two leases, what the kernel says of
//! zero-copy, and where the flows go, with traffic from the machine that runs the VM.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use xsk_socket::Bound;
use xsk_tests::lab::nic::{self, Nic};
use xsk_tests::lab::wire::{Leased, with_credentials};
use xsk_tests::lab::{self, Lab, SOCKET, SOON, User, Wire, afxdp};
use xsk_tests::proto::Mode;

/// The link of an emulated card takes seconds to come back after an attach or a bind.
const LONG: Duration = Duration::from_secs(60);

/// As many flows as tell two queues apart.
const FLOWS: std::ops::Range<u8> = 2..34;

struct Holder {
    bound: Bound,
    _wire: Wire,
}

fn holds(user: &User, nic: &Nic, queue: u32) -> Holder {
    let wire = Wire::connect_as(SOCKET, user);
    let Leased { granted, mut sockets } = wire.get(&nic.ifname, queue, 1).unwrap();
    assert_eq!(granted.mode, Mode::Native, "{}", granted.mode_reason);
    let socket = sockets.remove(0);
    let bound =
        with_credentials(user, || afxdp::bind_within(socket, nic.ifindex, queue, SOON)).unwrap();
    Holder { bound, _wire: wire }
}

/// The flows that arrive at each of the two, once each flow has been answered somewhere.
fn spread(nic: &Nic, holders: &mut [Holder; 2]) -> [BTreeSet<u8>; 2] {
    let (mut seen, end) = ([BTreeSet::new(), BTreeSet::new()], Instant::now() + LONG);
    let all: BTreeSet<u8> = FLOWS.collect();
    while &seen[0] | &seen[1] != all {
        assert!(Instant::now() < end, "only {seen:?} of the flows were answered");
        let found = &seen[0] | &seen[1];
        for flow in all.difference(&found).copied() {
            // While the link is not up yet nothing leaves, and there is no room for all.
            let _ = holders[0].bound.send(&nic.datagram(flow, "which way"));
        }
        holders[0].bound.flush().unwrap();
        let pause = Instant::now() + Duration::from_millis(800);
        while Instant::now() < pause {
            for (holder, seen) in holders.iter_mut().zip(&mut seen) {
                let _ = holder.bound.wait(Some(Duration::from_millis(20))).unwrap();
                seen.extend(
                    holder.bound.recv(64).iter().filter_map(|frame| nic.echoed(frame)).map(|e| e.0),
                );
            }
        }
    }
    seen
}

fn rss(lab: &Lab, nic: &Nic, queues: &str) {
    lab.cmd("ethtool").args(["-X", &nic.ifname, "equal", queues]).run(SOON).ok();
}

#[test]
fn two_leases_with_zero_copy_get_the_flows_that_rss_gives_them() {
    let Some((nic, lab)) = nic::lab_with("igb") else { return };
    lab.channels(&nic, 2);
    let other = lab.share();
    let listener = lab.listen();
    let mut holders = [holds(&lab.user, &nic, 0), holds(&other, &nic, 1)];
    assert!(holders.iter().all(|holder| holder.bound.zero_copy()), "bound without zero-copy");
    rss(&lab, &nic, "2");
    let [zero, one] = spread(&nic, &mut holders);
    assert!(!zero.is_empty() && !one.is_empty(), "RSS does not spread: {zero:?} {one:?}");
    assert!(zero.is_disjoint(&one), "a flow came by both queues: {zero:?} {one:?}");
    rss(&lab, &nic, "1");
    let [all, none] = spread(&nic, &mut holders);
    assert_eq!((all.len(), none.len()), (FLOWS.len(), 0), "after ethtool -X equal 1");
    lab::say_figure(&format!(
        "igb: RSS gave {} and {} flows, with `equal 1` all",
        zero.len(),
        one.len()
    ));
    drop(holders);
    lab.nothing_left(&nic.ifname, &[listener.pid()]);
    lab::say_feature("zero-copy", "igb");
}

#[test]
fn the_backend_reports_zero_copy_and_answers() {
    let Some((nic, lab)) = nic::lab_with("igb") else { return };
    lab.channels(&nic, 2);
    lab.allow(&nic.ifname);
    lab.backend_answers(&nic, "(native, zero-copy)", Duration::from_secs(10));
    lab.nothing_left(&nic.ifname, &[]);
}

#[test]
fn a_guests_own_address_passes_the_filter() {
    let Some((nic, lab)) = nic::lab_with("igb") else { return };
    lab.channels(&nic, 1);
    lab.guest_passes_the_filter(&nic);
}
