// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a revoke means to the programs that use the lease's sockets: a backend that inherited them
//! ends, and says why. It would otherwise go on deaf, and able to send.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::resource::Resource;
use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, HELPER, Lab, Running, SOON, wait_for, wait_until};

fn revoke(lab: &Lab, words: &[&str]) {
    lab.cmd(HELPER).arg("revoke").args(words).run(SOON).ok();
}

/// A backend that `run` starts, or a shell that it starts.
fn backend(lab: &Lab, before: &[&str], queue: u32) -> Cmd {
    let program = lab.bin("xsk-backend");
    let netdev = format!("af-xdp,id=n0,ifname=eth1,start-queue={queue}");
    let run = lab.client("run").arg("--").args(before).arg(program);
    run.args(["--netdev", &netdev, "--peer", "discard"])
}

#[track_caller]
fn ends_revoked(running: Running) {
    let done = running.finish(SOON).exits(77);
    done.err_has("eth1: the lease is over: the lease was revoked");
}

#[test]
fn a_backend_that_inherited_its_sockets_ends_when_they_are_revoked() {
    let lab = lab!();
    lab.veth(2);
    lab.allow("eth1");
    let mut first = backend(&lab, &[], 0).start();
    let mut second = backend(&lab, &["setsid", "--wait"], 1).start();
    first.says("ready: eth1 queue 0", SOON);
    second.says("ready: eth1 queue 1", SOON);
    revoke(&lab, &["eth1", "--queue", "0"]);
    ends_revoked(first);
    assert!(second.runs(), "{}", second.stderr());
    revoke(&lab, &["eth1"]);
    ends_revoked(second);
    lab.nothing_left("eth1", &[]);
}

/// Each of two netdevs has a connection of its own, and either ends the backend.
#[test]
fn a_forwarder_ends_by_the_revoke_of_either_side() {
    let lab = lab!();
    lab.veth(2);
    lab.allow("eth1");
    for queue in ["0", "1"] {
        let forward = ["--netdev", "af-xdp,id=n1,ifname=eth1,start-queue=1", "--peer", "forward"];
        let run = lab.client("run").arg("--").arg(lab.bin("xsk-backend"));
        let mut running = run.args(["--netdev", "af-xdp,id=n0,ifname=eth1"]).args(forward).start();
        running.says("ready: eth1 queue 0, eth1 queue 1", SOON);
        revoke(&lab, &["eth1", "--queue", queue]);
        ends_revoked(running);
        lab.nothing_left("eth1", &[]);
    }
}

/// A variable that names no connection, or that of something else, changes nothing.
#[test]
fn a_variable_that_is_out_of_date_changes_nothing() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("eth1");
    let done =
        backend(&lab, &["sh", "-c", "XSK_LEASES=99=3:0=3:$XSK_NONE exec \"$@\" --seconds 0.1", "sh"], 0);
    done.run(SOON).ok();
    lab.nothing_left("eth1", &[]);
}

#[test]
fn the_stream_of_a_qemu_closes_with_its_revoked_lease() {
    const QEMU: &str = "/usr/bin/qemu-system-x86_64";
    let lab = lab!();
    if !std::path::Path::new(QEMU).exists() {
        xsk_tests::skip!("{QEMU} is missing: apt-get install qemu-system-x86");
    }
    lab.veth(1);
    lab.allow("eth1");
    lab.bin("xsk-backend");
    let words = "-machine none -nodefaults -display none -netdev af-xdp,id=n0,ifname=eth1";
    let run = lab.client("run").args(["--backend", "stream", "--", QEMU]).words(words);
    let mut running = run.rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20).start();
    running.says("netdev n0 has no peer", SOON);
    let backend = || lab.processes().into_iter().find(|process| process.runs("xsk-backend"));
    wait_for(SOON, "the backend", backend);
    let qemu = Process::new(running.pid());
    let sockets = || qemu.fds().iter().filter(|(_, to)| to.starts_with("socket:")).count();
    let before = sockets();
    revoke(&lab, &["eth1"]);
    wait_until(SOON, "the backend to end", || backend().is_none());
    running.says("the lease is over: the lease was revoked", SOON);
    wait_until(SOON, "QEMU's stream to close", || sockets() < before);
    assert!(running.runs(), "QEMU ended with its lease");
    running.kill();
    lab.nothing_left("eth1", &[]);
}
