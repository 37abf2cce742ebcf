// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-backend --peer vhost-user` with DPDK's virtio-user as the front end: a driver of its own,
//! that polls, with every length of frame and several forms of rings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nix::sys::signal::Signal;
use xsk_tests::lab::{SOON, dpdk, wait_until};
use xsk_tests::{lab, skip};

/// DPDK takes some seconds to start, and a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);

#[test]
fn dpdk_sends_and_receives_by_every_form_of_ring() {
    let lab = lab!();
    if let Err(why) = dpdk::is_there() {
        skip!("{why}");
    }
    for (queues, options, size) in [
        (1, "", 64),
        (1, ",mrg_rxbuf=0", 1514),
        (1, ",in_order=1", 512),
        (2, "", 64),
        (2, ",mrg_rxbuf=0,in_order=1", 1514),
    ] {
        let (veth, device, path) = lab.vhost_for_root(queues);
        let before = lab.seen_by_peer(&veth);
        let mode = format!("flowgen --txpkts={size}");
        let mut front = lab.virtio_user(&path, options, queues, &mode).start();
        front.says("Port statistics", LONG);
        let what = format!("frames with {queues} pairs{options}");
        wait_until(LONG, &what, || lab.seen_by_peer(&veth) > before + 10_000);
        // Answers reach the driver: broadcast pings of the peer's.
        lab.peer_cmd("ping")
            .words("-c 20 -i 0.01 -W 1 -b -I")
            .arg(&veth.peer)
            .arg("255.255.255.255")
            .run(SOON);
        let received = |said: &str| {
            let counts =
                said.rsplit("RX-packets:").next().and_then(|rest| rest.split_whitespace().next());
            counts.and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count >= 20)
        };
        wait_until(LONG, "frames to the driver", || received(&front.stdout()));
        front.kill();
        device.signal(Signal::SIGTERM);
        device.finish(SOON).ok();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
