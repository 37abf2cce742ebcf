// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames of 64 bytes from DPDK's virtio-user through a vhost-user device to a veth: ours against
//! DPDK's own.

use std::time::{Duration, Instant};

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, Running, SOON, Veth, dpdk, wait_until};

use crate::row::{Row, median};

/// Pairs of runs.
const ROUNDS: usize = 5;
const SECONDS: u64 = 3;

/// DPDK takes some seconds to start.
const LONG: Duration = Duration::from_secs(60);

/// Frames a second, and nanoseconds of user time a frame.
type Run = (f64, f64);

/// Nothing where there is no DPDK.
pub(crate) fn rows(lab: &Lab, veth: &Veth) -> Vec<Row> {
    if let Err(why) = dpdk::is_there() {
        eprintln!("xsk-bench: no DPDK: {why}");
        return vec![];
    }
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let mut device = lab.vhost_cmd(veth, ",user=0").args(["--cpus", "0"]).start();
        device.says("ready:", SOON);
        ours.push(run(lab, veth, device));
        lab.no_program(&veth.ifname);
        let path = lab.vhost_socket();
        let _ = std::fs::remove_file(&path);
        let mut device = lab.dpdk_device(&path, veth).start();
        device.says("Port statistics", LONG);
        theirs.push(run(lab, veth, device));
        let _ = std::fs::remove_file(&path);
    }
    let row = |name, unit, of: fn(&Run) -> f64| Row {
        name,
        ours: median(ours.iter().map(of).collect()),
        reference: Some(median(theirs.iter().map(of).collect())),
        unit,
        how: format!(
            "64 bytes from virtio-user on one processor, device on another, veth in copy mode; against DPDK's \
             vhost and af_xdp (busy_budget=0); median of {ROUNDS} times {SECONDS} s"
        ),
    };
    vec![
        row("vhost-user, transmit", "frames/s", |run| run.0),
        row("vhost-user, user time a frame", "ns", |run| run.1),
    ]
}

fn run(lab: &Lab, veth: &Veth, device: Running) -> Run {
    let front = lab.virtio_user(&lab.vhost_socket(), "", 1, "txonly").start();
    let start = lab.seen_by_peer(veth);
    wait_until(LONG, "traffic", || lab.seen_by_peer(veth) > start + 10_000);
    let process = Process::new(device.pid());
    let sample = || (Instant::now(), lab.seen_by_peer(veth), process.ticks().0);
    let (since, before, ticks) = sample();
    std::thread::sleep(Duration::from_secs(SECONDS));
    let (until, after, more) = sample();
    front.kill();
    device.kill();
    let frames = (after - before) as f64;
    (frames / (until - since).as_secs_f64(), (more - ticks) as f64 * 1e7 / frames)
}
