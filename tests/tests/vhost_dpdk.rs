// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-backend --peer vhost-user` with DPDK's virtio-user as the front end: a driver of its own,
//! that polls, with every length of frame and several forms of rings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use xsk_tests::lab::{Cmd, Lab, SOON, Veth, wait_until};
use xsk_tests::{lab, skip};

const TESTPMD: &str = "/usr/bin/dpdk-testpmd";

/// DPDK takes some seconds to start, and a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);

/// The front end: it sends frames of `size` bytes and receives what comes.
fn testpmd(lab: &Lab, path: &Path, options: &str, queues: u32, size: usize) -> Cmd {
    lab.cmd(TESTPMD)
        .words("--lcores 0@0,1@1 --no-huge --no-shconf --no-telemetry --no-pci -m 128 --file-prefix fe")
        .args([format!("--vdev=net_virtio_user0,path={},queues={queues}{options}", path.display())])
        .words("-- --forward-mode=flowgen --auto-start --stats-period 1 --no-mlockall")
        .args([format!("--rxq={queues}"), format!("--txq={queues}"), format!("--txpkts={size}")])
        .arg("--total-num-mbufs=4096")
        .env("HOME", "/root")
}

/// Frames of `size` bytes that have come by the cable.
fn seen(lab: &Lab, veth: &Veth) -> u64 {
    let link = ["-j", "-s", "link", "show", "dev", &veth.peer];
    let said = lab.peer_cmd("ip").args(link).run(SOON).ok().stdout;
    let link: serde_json::Value = serde_json::from_str(&said).unwrap();
    link[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

#[test]
fn dpdk_sends_and_receives_by_every_form_of_ring() {
    let lab = lab!();
    if !Path::new(TESTPMD).exists() {
        skip!("{TESTPMD} is missing: apt-get install dpdk-dev");
    }
    for (queues, options, size) in [
        (1, "", 64),
        (1, ",mrg_rxbuf=0", 1514),
        (1, ",in_order=1", 512),
        (2, "", 64),
        (2, ",mrg_rxbuf=0,in_order=1", 1514),
    ] {
        let (veth, device, path) = lab.vhost_for_root(queues);
        let before = seen(&lab, &veth);
        let mut front = testpmd(&lab, &path, options, queues, size).start();
        front.says("Port statistics", LONG);
        let what = format!("frames with {queues} pairs{options}");
        wait_until(LONG, &what, || seen(&lab, &veth) > before + 10_000);
        // Answers reach the driver: broadcast pings of the peer's.
        lab.peer_cmd("ping")
            .words("-c 20 -i 0.01 -W 1 -b -I")
            .arg(&veth.peer)
            .arg("255.255.255.255")
            .run(SOON);
        let received = |said: &str| {
            let counts = said.rsplit("RX-packets:").next().and_then(|rest| rest.split_whitespace().next());
            counts.and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count >= 20)
        };
        wait_until(LONG, "frames to the driver", || received(&front.stdout()));
        front.kill();
        device.signal(Signal::SIGTERM);
        device.finish(SOON).ok();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
