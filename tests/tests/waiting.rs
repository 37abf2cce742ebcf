// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--wait` for an interface that does not exist yet, as when a machine starts before udev is done.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Cmd, HELPER, Lab, SOON, Veth};

const NETDEV: &str = "af-xdp,id=n0,ifname=eth7";

fn backend(lab: &Lab) -> Cmd {
    let cmd = lab.user_cmd("xsk-backend").args([
        "--helper",
        HELPER,
        "--peer",
        "discard",
        "--seconds",
        "0.1",
    ]);
    cmd.args(["--netdev", "af-xdp,ifname=eth7,queues=all"])
}

/// It comes after a while, by another name first, as udev has it.
fn comes_late(lab: &Lab, veth: &Veth, waits: Cmd) {
    let mut running = waits.start();
    running.says("waiting: there is no interface 'eth7'", SOON);
    lab.no_helpers_but(&[]);
    ip(&["link", "set", &veth.ifname, "name", "eth7"]);
    running.finish(SOON).ok();
    lab.nothing_left("eth7", &[]);
    ip(&["link", "set", "eth7", "name", &veth.ifname]);
}

#[test]
fn an_interface_that_comes_is_waited_for() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    comes_late(
        &lab,
        &veth,
        lab.client("run").args(["--wait=60", "--acquire", NETDEV, "--", "true"]),
    );
    comes_late(&lab, &veth, lab.client("run").args(["--wait", "--", "echo", "-netdev", NETDEV]));
    comes_late(&lab, &veth, backend(&lab).arg("--wait=60"));
}

#[test]
fn the_limit_of_the_wait_holds() {
    let lab = lab!();
    lab.allow("*");
    let start = Instant::now();
    let run = lab
        .client("run")
        .args(["--wait=0.7", "--acquire", NETDEV, "--", "true"])
        .run(SOON)
        .exits(125);
    assert!(run.stderr.ends_with("ip link\n") && run.stderr.contains("no interface"), "{run:?}");
    assert!(start.elapsed().as_secs_f64() >= 0.7);
    backend(&lab).arg("--wait=0.2").run(SOON).exits(78);
    let at_once = lab.client("run").args(["--acquire", NETDEV, "--", "true"]).run(SOON).exits(125);
    assert!(!at_once.stderr.contains("waiting"), "{at_once:?}");
}

/// A backend that waits is ended by a signal as any other process.
#[test]
fn a_wait_can_be_ended() {
    let lab = lab!();
    lab.allow("*");
    let mut running = backend(&lab).arg("--wait").start();
    running.says("waiting: ", SOON);
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let done = running.finish(SOON);
    assert!(!done.status.success(), "{done:?}");
}
