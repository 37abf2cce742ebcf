// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames through the backend's peer `reflect` on one core, with a generator at the other end of
//! the cable on another.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{HELPER, Lab, Running, SOON, Veth, wait_for};

use crate::reference;
use crate::row::{Row, median};

const ROUNDS: usize = 3;
const SECONDS: u64 = 4;

/// What one run gave.
#[derive(Default)]
struct Run {
    rate: Vec<f64>,
    nanos: Vec<f64>,
}

impl Run {
    fn add(&mut self, frames: f64, seconds: f64, cpu_seconds: f64) {
        self.rate.push(frames / seconds);
        self.nanos.push(cpu_seconds * 1e9 / frames);
    }
}

/// Frames a second, and processor time a frame.
pub(crate) fn frames(lab: &Lab, veth: &Veth, libxdp: Option<&Path>) -> Vec<Row> {
    let generator = generator(lab, veth);
    let (mut ours, mut theirs) = (Run::default(), Run::default());
    for _ in 0..ROUNDS {
        backend(lab, veth, &mut ours);
        lab.no_program(&veth.ifname);
        if let Some(program) = libxdp {
            let numbers = reference::run(lab, program, &format!("reflect IFNAME {SECONDS}"), veth);
            theirs.add(numbers[0], SECONDS as f64, (numbers[1] + numbers[2]) / 1e9);
        }
    }
    generator.signal(Signal::SIGTERM);
    generator.finish(SOON);
    let how = |what: &str| {
        format!(
            "{what}; 60-byte frames over a veth, reflecting process pinned to one core, generator to another; against a \
             reflector in C on libxdp, batches of 64; median of {ROUNDS} times {SECONDS} s"
        )
    };
    let row = |name, ours: Vec<f64>, theirs: Vec<f64>, unit, how| Row {
        name,
        ours: median(ours),
        reference: libxdp.map(|_| median(theirs)),
        unit,
        how,
    };
    vec![
        row("reflect, rate", ours.rate, theirs.rate, "frames/s", how("frames sent back")),
        row(
            "reflect, processor time a frame",
            ours.nanos,
            theirs.nanos,
            "ns",
            how("user and system time"),
        ),
    ]
}

/// The backend at the peer's end, by a grant of its own in the peer's namespace.
fn generator(lab: &Lab, veth: &Veth) -> Running {
    lab.bin("xsk-helper");
    let mut running = lab
        .peer_cmd("taskset")
        .args(["-c", "1"])
        .arg(lab.bin("xsk-client"))
        .args(["run", "--helper", HELPER, "--"])
        .arg(lab.bin("xsk-backend"))
        .args(["--netdev", &format!("af-xdp,id=g,ifname={}", veth.peer), "--peer", "generate"])
        .start();
    running.says("ready:", SOON);
    running
}

fn backend(lab: &Lab, veth: &Veth, run: &mut Run) {
    let mut running = lab
        .cmd("taskset")
        .user(&lab.user)
        .args(["-c", "0"])
        .arg(lab.bin("xsk-client"))
        .args(["run", "--wait=10", "--helper", HELPER, "--"])
        .arg(lab.bin("xsk-backend"))
        .args([
            "--json",
            "--netdev",
            &format!("af-xdp,id=n0,ifname={}", veth.ifname),
            "--peer",
            "reflect",
        ])
        .start();
    running.says("\"ready\"", SOON);
    let process = Process::new(running.pid());
    let sample = |known: usize| {
        running.signal(Signal::SIGUSR1);
        let frames = wait_for(SOON, "the statistics", || statistics(&running).get(known).copied());
        (Instant::now(), frames, process.ticks())
    };
    let (begin, before, ticks) = sample(0);
    std::thread::sleep(Duration::from_secs(SECONDS));
    let (end, after, more) = sample(1);
    let cpu = (more.0 + more.1 - ticks.0 - ticks.1) as f64 / 100.0;
    run.add(after - before, (end - begin).as_secs_f64(), cpu);
    running.signal(Signal::SIGTERM);
    running.finish(SOON).ok();
}

/// The frames sent back, as of each time that the backend was asked.
fn statistics(running: &Running) -> Vec<f64> {
    let said = running.stdout();
    let records = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records
        .filter(|record| record["event"] == "statistics")
        .filter_map(|record| record["queues"][0]["tx_frames"].as_f64())
        .collect()
}
