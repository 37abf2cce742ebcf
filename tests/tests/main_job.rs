// SPDX-License-Identifier: MIT OR Apache-2.0
//! The main job: an ordinary uid without a capability answers pings over AF_XDP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::{Cmd, Lab, Running, SOCKET, SOON, Veth, wait_until};

/// The backend with the peer `echo` for the cable's second address, started by `xsk-client run`.
fn echo(lab: &Lab, run: Cmd, veth: &Veth, options: &str) -> Running {
    let netdev = format!("af-xdp,id=n0,ifname={}{options}", veth.ifname);
    let backend = lab.bin("xsk-backend");
    let mut running = run
        .arg("--")
        .arg(backend)
        .args(["--netdev", &netdev])
        .args(["--peer", &format!("echo={}", veth.ip)])
        .start();
    running.says("ready:", SOON);
    running
}

/// Who runs, with which rights: the uid of the test, and no capability in any set but the bounding
/// one.
fn is_an_ordinary_process(lab: &Lab, running: &Running) {
    let process = Process::new(running.pid());
    assert!(process.runs("xsk-backend"), "{}", process.describe());
    assert_eq!(process.uids(), [lab.user.uid; 4]);
    assert_eq!(Caps { bounding: 0, ..process.caps() }, Caps::NONE);
}

#[test]
fn an_ordinary_uid_answers_pings() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    assert_eq!(lab.xdp(&veth.ifname), None);
    let running = echo(&lab, lab.client("run"), &veth, "");
    is_an_ordinary_process(&lab, &running);
    assert_eq!(lab.xdp(&veth.ifname).expect("no program").mode, "xdp");
    assert_eq!(lab.pings(veth.ip, 20), 20);
    let keepers = lab.keepers(&[]);
    assert_eq!(keepers.len(), 1, "{keepers:?}");
    assert_eq!(keepers[0].settled().caps(), Caps::NONE);
    running.signal(Signal::SIGTERM);
    let done = running.finish(SOON).ok();
    assert!(done.stdout.contains("rx "), "no counters: {}", done.stdout);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn no_process_of_ours_stays_on_the_users_side() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let running = echo(&lab, lab.client("run"), &veth, "");
    let backend = Process::new(running.pid());
    let users: Vec<_> =
        lab.processes().into_iter().filter(|p| p.uids().contains(&lab.user.uid)).collect();
    assert_eq!(users, [backend], "{:?}", users.iter().map(|p| p.describe()).collect::<Vec<_>>());
    let keepers = lab.keepers(&[]);
    assert!(
        keepers.iter().all(|k| k.parent() != backend.pid && k.session() != backend.session()),
        "{keepers:?}"
    );
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", backend.pid));
    assert_eq!(children.unwrap_or_default(), "");
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_backend_asks_the_helper_itself() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.client("status").run(SOON);
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let mut running = lab
        .user_cmd("xsk-backend")
        .args([
            "--helper",
            lab::HELPER,
            "--netdev",
            &netdev,
            "--peer",
            &format!("echo={}", veth.ip),
        ])
        .start();
    running.says("ready:", SOON);
    is_an_ordinary_process(&lab, &running);
    assert_eq!(lab.pings(veth.ip, 5), 5);
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn over_the_socket_of_a_listener() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let run = lab.user_cmd("xsk-client").args(["run", "--socket", SOCKET]);
    let running = echo(&lab, run, &veth, "");
    is_an_ordinary_process(&lab, &running);
    assert_eq!(lab.pings(veth.ip, 5), 5);
    running.kill();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    // The system's socket is the default.
    let running = echo(&lab, lab.user_cmd("xsk-client").arg("run"), &veth, "");
    assert_eq!(lab.pings(veth.ip, 5), 5);
    running.kill();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn every_option_of_the_netdev_holds() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    for (options, mode, queues) in [
        (",mode=skb", "xdpgeneric", 0..1),
        (",mode=native,force-copy=on", "xdp", 0..1),
        (",queues=2,start-queue=1", "xdp", 1..3),
        (",queues=4", "xdp", 0..4),
    ] {
        let running = echo(&lab, lab.client("run"), &veth, options);
        assert_eq!(lab.xdp(&veth.ifname).unwrap().mode, mode, "{options}");
        for queue in queues {
            lab.steer(&veth, queue);
            assert_eq!(lab.pings(veth.ip, 3), 3, "{options}: queue {queue}");
        }
        running.signal(Signal::SIGTERM);
        running.finish(SOON).ok();
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn a_queue_outside_of_the_grant_still_reaches_the_hosts_stack() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    // The host has an address of its own here, and the backend one beside it.
    lab.give_address(&veth);
    let guest = std::net::Ipv4Addr::new(10, 77, 1, 3);
    let netdev = format!("af-xdp,id=n0,ifname={},start-queue=1", veth.ifname);
    let mut running = lab
        .client("run")
        .arg("--")
        .arg(lab.bin("xsk-backend"))
        .args(["--netdev", &netdev, "--peer", &format!("echo={guest}")])
        .start();
    running.says("ready:", SOON);
    lab.steer(&veth, 0);
    assert_eq!(lab.pings(veth.ip, 5), 5, "the host does not answer on queue 0");
    lab.steer(&veth, 1);
    assert_eq!(lab.pings(guest, 5), 5, "the backend does not answer on queue 1");
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn udp_is_echoed_and_counted() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let running = echo(&lab, lab.client("run"), &veth, "");
    let socket = lab.peer_udp();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.connect((veth.ip, 7)).unwrap();
    for n in 0..200u32 {
        socket.send(&n.to_le_bytes()).unwrap();
        let mut answer = [0; 16];
        assert_eq!(socket.recv(&mut answer).unwrap(), 4);
        assert_eq!(answer[..4], n.to_le_bytes());
    }
    running.signal(Signal::SIGTERM);
    let done = running.finish(SOON).ok();
    let received: u64 =
        done.stdout.rsplit("rx ").next().and_then(|t| t.split(' ').next()?.parse().ok()).unwrap();
    assert!(received >= 200, "{}", done.stdout);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn two_users_on_different_queues() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.share();
    let first = echo(&lab, lab.client("run"), &veth, "");
    let second_run = lab.cmd("xsk-client").user(&other).args(["run", "--helper", lab::HELPER]);
    let mut second = second_run
        .arg("--")
        .arg(lab.bin("xsk-backend"))
        .args(["--netdev", &format!("af-xdp,id=n0,ifname={},start-queue=1", veth.ifname)])
        .args(["--peer", "echo=10.77.1.9"])
        .start();
    second.says("ready:", SOON);
    assert_eq!(Process::new(second.pid()).uids()[0], other.uid);
    lab.steer(&veth, 0);
    assert_eq!(lab.pings(veth.ip, 3), 3);
    lab.steer(&veth, 1);
    assert_eq!(lab.pings("10.77.1.9".parse().unwrap(), 3), 3);
    first.kill();
    wait_until(SOON, "the first lease to end", || lab.keepers(&[]).len() == 1);
    assert_eq!(lab.pings("10.77.1.9".parse().unwrap(), 3), 3);
    second.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
