// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Linux guest behind `xsk-backend --peer vhost-user`: TCP with and without offloads, a ping, and
//! what an idle device costs.

use std::time::{Duration, Instant};

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::traffic::Moved;
use xsk_tests::lab::{Lab, SOON, Veth};

use crate::row::{Row, median};

/// Pairs of runs.
const ROUNDS: usize = 5;
const PINGS: u32 = 100;
const LONG: Duration = Duration::from_secs(60);

/// Nothing where there is no guest.
pub(crate) fn rows(lab: &Lab, veth: &Veth) -> Vec<Row> {
    measure(lab, veth).unwrap_or_else(|why| {
        eprintln!("xsk-bench: no guest: {why}");
        vec![]
    })
}

fn measure(lab: &Lab, veth: &Veth) -> Result<Vec<Row>, String> {
    let mut rows = tcp(lab, veth)?;
    rows.push(idle(lab, veth)?);
    rows.push(ping(lab, veth)?);
    Ok(rows)
}

fn tcp(lab: &Lab, veth: &Veth) -> Result<Vec<Row>, String> {
    let (mut with, mut without) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        with.push(run(lab, veth, "")?);
        without.push(run(lab, veth, ",csum=off")?);
    }
    let way = |name, way: usize| {
        let all =
            |runs: &[[Moved; 2]]| median(runs.iter().map(|run| run[way].a_second()).collect());
        let how = format!(
            "megabytes a second of processor time, of the guest and its device; user-mode Linux and iperf3 over a \
             veth; against itself without offloads (csum=off); median of {ROUNDS} runs"
        );
        Row { name, ours: all(&with), reference: Some(all(&without)), unit: "MB/s", how }
    };
    Ok(vec![way("vhost-user, TCP out of a guest", 0), way("vhost-user, TCP into a guest", 1)])
}

fn run(lab: &Lab, veth: &Veth, options: &str) -> Result<[Moved; 2], String> {
    let (device, path) = lab.vhost(veth, options);
    let moved = lab.guest_tcp(veth, &device, &path);
    device.kill();
    lab.no_program(&veth.ifname);
    moved
}

/// A device with a guest that does nothing.
fn idle(lab: &Lab, veth: &Veth) -> Result<Row, String> {
    const SECONDS: u64 = 10;
    let (device, path) = lab.vhost(veth, "");
    let mut guest = lab.uml(&path, "echo up")?.start();
    guest.says("up", LONG);
    let process = Process::new(device.pid());
    let (start, before) = (Instant::now(), process.ticks_with_children());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let used = (process.ticks_with_children() - before) as f64;
    let ours = used / start.elapsed().as_secs_f64();
    lab.end_uml(guest);
    device.kill();
    lab.no_program(&veth.ifname);
    let how =
        format!("of one processor, with a guest at rest; over {SECONDS} s, to a tick of 10 ms");
    Ok(Row { name: "vhost-user, idle", ours, reference: None, unit: "%", how })
}

/// From the guest to the peer, against the same between the kernel's two ends of the cable.
fn ping(lab: &Lab, veth: &Veth) -> Result<Row, String> {
    let flags = format!("-q -c {PINGS} -i 0.01 {}", veth.peer_ip);
    let (device, path) = lab.vhost(veth, "");
    let script = format!("ip address add {}/24 dev eth0; ping {flags}; echo pinged", veth.ip);
    let mut guest = lab.uml(&path, &script)?.start();
    guest.says("pinged", LONG);
    let ours = average(&guest.stdout()).ok_or("its ping says nothing")?;
    lab.end_uml(guest);
    device.kill();
    lab.no_program(&veth.ifname);
    lab.give_address(veth);
    let reference = average(&lab.cmd("ping").words(&flags).run(SOON).stdout);
    let how = format!(
        "round trip to the peer; against the kernel's own from one end of the veth; mean of {PINGS}"
    );
    Ok(Row { name: "vhost-user, ping from a guest", ours, reference, unit: "us", how })
}

/// What ping says: rtt min/avg/max/mdev = 0.1/0.2/0.3/0.0 ms.
fn average(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.starts_with("rtt"))?;
    line.split(" = ").nth(1)?.split('/').nth(1)?.parse::<f64>().ok().map(|ms| ms * 1000.0)
}
