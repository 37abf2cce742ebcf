// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes that die, line 30 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{HELPER, Lab, Running, SOCKET, SOON, Veth, afxdp, packet, wait_until};

/// The backend, held by `xsk-client run` over the socket of a listener.
fn backend(lab: &Lab, veth: &Veth) -> Running {
    let mut running = lab
        .user_cmd("xsk-client")
        .args(["run", "--wait=10", "--socket", SOCKET, "--"])
        .arg(lab.bin("xsk-backend"))
        .args(["--netdev", &format!("af-xdp,id=n0,ifname={}", veth.ifname)])
        .args(["--peer", &format!("echo={}", veth.ip)])
        .start();
    running.says("ready:", SOON);
    running
}

#[test]
fn h30_killed_backend() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let running = backend(&lab, &veth);
        running.kill();
        let begin = Instant::now();
        lab.no_program(&veth.ifname);
        slowest = slowest.max(begin.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "the program stayed for {slowest:?}");
    lab::say_figure(&format!("program gone {slowest:?} after kill -9 of the backend at most"));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h30_killed_backend_and_the_next_one_binds_at_once() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    for _ in 0..10 {
        let running = backend(&lab, &veth);
        assert_eq!(lab.pings(veth.ip, 1), 1);
        running.kill();
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h30_killed_keeper_interrupts_nothing_and_strands_nothing() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let running = backend(&lab, &veth);
    lab.keepers(&[listener.pid()]).iter().for_each(|k| k.kill());
    lab.no_helpers_but(&[listener.pid()]);
    assert_eq!(lab.pings(veth.ip, 20), 20, "the data path depends on the keeper");
    assert!(lab.xdp(&veth.ifname).is_some());
    running.kill();
    // What a killed keeper left goes with the next request.
    let running = backend(&lab, &veth);
    assert_eq!(lab.pings(veth.ip, 3), 3);
    running.kill();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h30_killed_keeper_and_reap() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let (wire, _run) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let mut bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, 0).unwrap();
    Process::new(grant.granted.keeper).kill();
    assert!(wire.ends(SOON), "the client is not told by the end of the connection");
    lab.no_helpers_but(&[]);
    // A socket that is still in use is not taken away.
    lab.cmd(HELPER).arg("reap").run(SOON).ok();
    assert!(lab.xdp(&veth.ifname).is_some(), "reap took the program from under a running socket");
    lab.steer(&veth, 0);
    lab.peer_tap(&veth).send(&packet::frame("still here"));
    assert!(afxdp::receives(&mut bound, "still here", SOON));
    drop(bound);
    wait_until(SOON, "reap to find the slot empty", || {
        lab.cmd(HELPER).arg("reap").run(SOON).ok();
        lab.xdp(&veth.ifname).is_none()
    });
    lab.cmd(HELPER).arg("reap").run(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h30_everything_at_once() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    for _ in 0..5 {
        let listener = lab.listen();
        let running = backend(&lab, &veth);
        let all = lab.helpers();
        all.iter().for_each(|p| p.kill());
        running.kill();
        listener.kill();
        lab.no_helpers_but(&[]);
    }
    let listener = lab.listen();
    let running = backend(&lab, &veth);
    assert_eq!(lab.pings(veth.ip, 3), 3);
    running.kill();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// The process that waits for the next client stands for nobody: another one takes its place, and
/// none outlives its listener.
#[test]
fn h30_the_one_who_waits_for_a_client() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    for _ in 0..20 {
        let spare = lab.spare_soon();
        spare.kill();
        wait_until(SOON, "it to be gone", || !spare.is_live());
        let wire = lab.wire();
        drop((wire.get(&veth.ifname, 0, 1).unwrap(), wire));
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
    let spare = lab.spare_soon();
    listener.kill();
    wait_until(SOON, "the spare one to end with its listener", || !spare.is_live());
}

#[test]
fn h30_a_listener_is_followed_by_the_next_at_once_and_joined_by_none() {
    let lab = lab!();
    lab.allow(&lab.veth(1).ifname);
    let another =
        || lab.cmd("xsk-helper").args(["listen", "--socket", SOCKET, "--socket-mode", "0666"]);
    let mut listener = lab.listen();
    for _ in 0..10 {
        listener.kill();
        listener = another().start();
        listener.says("listening on", SOON);
        lab.wire().greet();
    }
    another().run(SOON).exits(75).err_has("somebody listens on /run/xsk-helper/socket already");
    lab.wire().greet();
}

#[test]
fn h30_killed_at_any_moment_of_a_request() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    for delay in 0..60u64 {
        let wire = lab.wire();
        let hello = xsk_tests::proto::Request::Hello(Default::default());
        let ask = xsk_tests::proto::Request::Acquire(lab::wire::acquire(&veth.ifname, 0, 1));
        wire.say(&hello);
        wire.say(&ask);
        std::thread::sleep(Duration::from_micros(delay * 400));
        lab.helpers().iter().filter(|p| p.pid != listener.pid()).for_each(|p| p.kill());
        drop(wire);
        lab.no_helpers_but(&[listener.pid()]);
        // The next request succeeds, and takes with it what was left.
        let wire = lab.wire();
        let grant = wire.get(&veth.ifname, 0, 1).unwrap_or_else(|e| panic!("after {delay}: {e:?}"));
        drop((grant, wire));
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
}
