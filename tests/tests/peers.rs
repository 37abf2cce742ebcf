// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peers of the backend beside `echo` for IPv4: what they put on the wire and what they take
//! from it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, Lab, Running, SOON, Veth};

/// The backend with a peer, started by `xsk-client run`.
fn backend(lab: &Lab, run: Cmd, veth: &Veth, args: &[&str]) -> Running {
    let netdev = format!("af-xdp,id=n0,ifname={},queues={}", veth.ifname, veth.queues);
    let mut running =
        run.arg("--").arg(lab.bin("xsk-backend")).args(["--netdev", &netdev]).args(args).start();
    running.says("ready:", SOON);
    running
}

/// A file that a program of this name reads: its lines about it.
fn read_by(lab: &Lab, program: &str, args: &[&str], file: &Path) -> Vec<String> {
    let done = lab.cmd(program).args(args).arg(file).run(SOON).ok();
    done.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn neighbour_discovery_and_icmpv6_are_answered() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    // The lab's cables have no IPv6, so that nothing is on them that a test has not sent.
    let switch = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", veth.peer);
    lab.in_peer(|| std::fs::write(switch, "0").unwrap());
    lab.peer_cmd("ip")
        .words("-6 addr add fd77::1/64 dev")
        .arg(&veth.peer)
        .arg("nodad")
        .run(SOON)
        .ok();
    let running = backend(&lab, lab.client("run"), &veth, &["--peer", "echo=fd77::2"]);
    let ping = lab.peer_cmd("ping").words("-6 -c 5 -i 0.1 -W 2 fd77::2").run(SOON).ok();
    assert!(ping.stdout.contains("5 received"), "{}", ping.stdout);
    running.signal(Signal::SIGTERM);
    running.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn generate_sends_as_many_frames_as_it_was_told() {
    let lab = lab!();
    // Over all queues, of which one is done before the others.
    for (queues, pace) in [(1, ",rate=20000"), (3, "")] {
        let veth = lab.veth(queues);
        lab.allow(&veth.ifname);
        let before = received(&lab, &veth);
        let peer = format!("generate,count=1000,size=200{pace}");
        let run = backend(&lab, lab.client("run"), &veth, &["--peer", &peer]);
        run.finish(SOON).ok();
        let sent = received(&lab, &veth) - before;
        assert!((1000..1020).contains(&sent), "{sent} frames from {queues} queues");
        lab.nothing_left(&veth.ifname, &[]);
    }
}

/// The frames that the other end of the cable has received.
fn received(lab: &Lab, veth: &Veth) -> u64 {
    let done = lab.peer_cmd("ip").words("-j -s link show dev").arg(&veth.peer).run(SOON).ok();
    let links: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    links[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

#[test]
fn forward_joins_two_interfaces() {
    let lab = lab!();
    let left = lab.veth_named("eth1", 1, 1);
    let right = lab.veth_named("eth2", 2, 1);
    lab.allow("eth*");
    let mut running = lab
        .client("run")
        .arg("--")
        .arg(lab.bin("xsk-backend"))
        .words("--netdev af-xdp,id=n0,ifname=eth1 --netdev af-xdp,id=n1,ifname=eth2 --peer forward")
        .start();
    running.says("ready:", SOON);
    // What comes in on the first cable goes out on the second, whoever it is for.
    let before = received(&lab, &right);
    lab.peer_cmd("ping")
        .words("-c 5 -i 0.1 -W 1 -b -I")
        .arg(&left.peer)
        .arg("255.255.255.255")
        .run(SOON);
    assert!(received(&lab, &right) - before >= 5, "frames were lost on the way");
    running.signal(Signal::SIGTERM);
    running.finish(SOON).ok();
    lab.nothing_left("eth1", &[]);
    lab.nothing_left("eth2", &[]);
}

#[test]
fn a_capture_is_read_by_tcpdump_and_tshark() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let file = lab.path("capture").join("frames.pcap");
    std::fs::create_dir(lab.path("capture")).unwrap();
    std::os::unix::fs::chown(lab.path("capture"), Some(lab.user.uid), None).unwrap();
    let peer = format!("pcap={}", file.display());
    let running = backend(&lab, lab.client("run"), &veth, &["--peer", &peer]);
    lab.peer_cmd("ping")
        .words("-c 5 -i 0.1 -W 1 -b -I")
        .arg(&veth.peer)
        .arg("255.255.255.255")
        .run(SOON);
    running.signal(Signal::SIGTERM);
    running.finish(SOON).ok();
    let echoes =
        |lines: Vec<String>| lines.iter().filter(|line| line.contains("echo request")).count();
    assert_eq!(echoes(read_by(&lab, "tcpdump", &["-n", "-r"], &file)), 5);
    let lines = read_by(&lab, "tshark", &["-n", "-r"], &file);
    assert_eq!(
        lines.iter().filter(|line| line.contains("Echo (ping) request")).count(),
        5,
        "{lines:?}"
    );
    lab.nothing_left(&veth.ifname, &[]);
}
