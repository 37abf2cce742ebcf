// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pairs of queues of `--peer vhost-user`: a guest that uses fewer than there are gets the frames
//! of all of them, whenever it changes its mind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::Signal;
use xsk_tests::lab::frontend::{FEATURES, FrontEnd, pair, request};
use xsk_tests::lab::packet::{carries, frame};
use xsk_tests::lab::{HELPER, Lab, SOON, Veth, wait_until};
use xsk_tests::{lab, skip};

/// A busy machine is slow.
const LONG: Duration = Duration::from_secs(60);

/// Sends a frame to a queue of the interface, and waits for it in a ring.
fn arrives(lab: &Lab, veth: &Veth, queue: u32, front: &FrontEnd, ring: u32) {
    let (text, before) = (format!("to ring {ring} by queue {queue}"), front.used(ring));
    lab.steer(veth, queue);
    lab.peer_tap(veth).send(&frame(&text));
    wait_until(SOON, &text, || {
        let mut new = (before..front.used(ring)).map(|number| front.received(ring, number));
        new.any(|received| carries(&received[12..], &text))
    });
}

#[test]
fn a_pair_that_is_on_gets_the_frames_of_those_that_are_off() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(4);
    let mut front = FrontEnd::connect(&path).unwrap();
    front.set_up(FEATURES, 1);
    front.post(0, 0, 30);
    (0..4).for_each(|queue| arrives(&lab, &veth, queue, &front, 0));
    // A second pair takes its own queue, and its share of the others.
    for ring in [2, 3] {
        front.start(ring, OwnedFd::from(EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap()));
    }
    front.post(2, 0, 30);
    for (queue, ring) in [(0, 0), (1, 2), (2, 0), (3, 2)] {
        arrives(&lab, &veth, queue, &front, ring);
    }
    for ring in [2, 3] {
        front.must(request::SET_VRING_ENABLE, &pair(ring, 0), &[]);
    }
    (0..4).for_each(|queue| arrives(&lab, &veth, queue, &front, 0));
    drop(front);
    device.signal(Signal::SIGTERM);
    device.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_linux_guest_changes_its_pairs_while_it_runs() {
    let lab = lab!();
    let veth = lab.veth(2);
    let (device, path) = lab.vhost(&veth, ",config=on");
    let mut server = lab.peer_cmd("iperf3").words("-s -i 0 --forceflush").start();
    server.says("Server listening", SOON);
    let script = format!(
        "ip address add {}/24 dev eth0
         for pairs in 1 2 1 2; do
             ethtool -L eth0 combined $pairs && ping -c 10 -i 0.02 -W 5 {peer}
         done
         iperf3 -c {peer} -P 4 -t 2 -i 0 -f m &
         for pairs in 1 2 1 2 1 2; do ethtool -L eth0 combined $pairs; sleep 0.2; done
         wait
         ethtool -l eth0
         echo guest-is-done",
        veth.ip,
        peer = veth.peer_ip
    );
    let mut guest = match lab.uml(&path, &script) {
        Ok(guest) => guest.start(),
        Err(why) => skip!("{why}"),
    };
    guest.says("guest-is-done", LONG);
    let said = guest.stdout();
    assert_eq!(said.matches("10 received").count(), 4, "{said}\n{}", device.stderr());
    assert!(
        said.lines().any(|line| line.starts_with("[SUM]") && line.ends_with("receiver")),
        "{said}"
    );
    assert_eq!(said.matches("Combined:\t2").count(), 2, "{said}");
    lab.end_uml(guest);
    server.kill();
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_queues_thread_stays_on_its_processor() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    lab.bin("xsk-helper");
    let netdev = format!("af-xdp,id=n0,ifname={},queues=2", veth.ifname);
    let command = |cpus: &str| {
        let peer = format!("vhost-user={}", lab.vhost_socket().display());
        let command = lab.user_cmd("xsk-backend").args(["--helper", HELPER, "--netdev", &netdev]);
        command.args(["--peer", &peer, "--cpus", cpus])
    };
    let refused = command("0").run(SOON).exits(64);
    assert!(refused.stderr.contains("--cpus: 1 named, for 2 queues"), "{refused:?}");
    let mut device = command("0,0").start();
    device.says("ready:", SOON);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", device.pid())).unwrap();
    let mut bound = 0;
    for task in tasks {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let is_queue = status.starts_with(&format!("Name:\t{}:", veth.ifname));
        bound += usize::from(is_queue && status.contains("Cpus_allowed_list:\t0\n"));
    }
    assert_eq!(bound, 2);
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
