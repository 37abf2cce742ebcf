// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a revoke means to the programs that use the lease's sockets: a backend that inherited them
//! ends, and says why. Otherwise it would go on without receiving, and still able to send.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::resource::Resource;
use serde_json::Value;
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
    let done = backend(
        &lab,
        &["sh", "-c", "XSK_LEASES=99=3:0=3:$XSK_NONE exec \"$@\" --seconds 0.1", "sh"],
        0,
    );
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

/// `revoke --kill` names what it ends and what it leaves alone.
#[test]
fn h40_the_users_own_processes_are_ended_and_a_socket_in_roots_is_named() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow("eth1");
    // The lab's user has planted this socket in a process of root's: the test itself.
    let (wire, _helper) = lab.exec(&lab.user);
    let planted = wire.get(&veth.ifname, 1, 1).unwrap();
    let netdev = "af-xdp,id=n0,ifname=eth1";
    // The shell dies of the signal; its child ignores the first one.
    let script = "trap '' TERM; echo started; sleep 600 & wait";
    let mut running =
        lab.client("run").args(["--acquire", netdev, "--", "sh", "-c", script]).start();
    running.says("started", SOON);
    let done = lab.cmd(HELPER).args(["revoke", "eth1", "--kill"]).run(SOON).exits(75);
    let (own, uid) = (std::process::id(), lab.user.uid);
    let said = &done.stdout;
    assert!(
        said.contains(&format!("eth1 queue 0 of uid {uid}: client {} (sh -c trap", running.pid())),
        "{said}"
    );
    assert!(said.contains(&format!("killed process {} (sh -c", running.pid())), "{said}");
    assert!(said.contains(" (sleep 600), which holds queue 0 of eth1"), "{said}");
    let left = said.lines().find(|line| line.ends_with("was left alone")).unwrap();
    assert!(left.starts_with(&format!("process {own} (")), "{said}");
    assert!(left.contains("of uid 0 holds queue 1 of eth1"), "{said}");
    wait_until(SOON, "the user's processes to end", || !running.runs());
    assert!(!lab.processes().iter().any(|process| process.runs("sleep")));
    drop((wire, planted));
    lab.nothing_left("eth1", &[]);
}

/// A process with the user's real uid and another effective one is not the user's alone.
#[test]
fn h40_a_process_with_a_second_uid_is_left_alone() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("eth1");
    let setuid = lab.copy("/usr/bin/sleep".as_ref(), "setuid-sleep");
    lab.cmd("chmod").arg("4755").arg(&setuid).run(SOON).ok();
    let run = lab.client("run").args(["--acquire", "af-xdp,id=n0,ifname=eth1", "--"]).arg(&setuid);
    let mut running = run.arg("600").start();
    let process = Process::new(running.pid());
    wait_until(SOON, "the setuid program", || process.uids()[1] == 0);
    let done = lab.cmd(HELPER).args(["revoke", "eth1", "--kill"]).run(SOON).exits(75);
    let uid = lab.user.uid;
    assert!(
        done.stdout
            .contains(&format!("of uids {uid}, 0, 0 holds queue 0 of eth1 and was left alone")),
        "{}",
        done.stdout
    );
    assert!(running.runs());
    running.kill();
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_lease_is_revoked_by_its_number_and_nothing_else_is() {
    let lab = lab!();
    lab.veth(2);
    lab.allow("eth1");
    lab.bin("xsk-helper");
    let run = |words: &[&str]| lab.cmd(HELPER).arg("revoke").args(words).run(SOON);
    run(&["--all"]).exits(66).err_has("no lease matches").err_has("hint: see what is leased");
    run(&["--all", "eth1"]).exits(64);
    let mut first = backend(&lab, &[], 0).start();
    let mut second = backend(&lab, &[], 1).start();
    first.says("ready:", SOON);
    second.says("ready:", SOON);
    let status = lab.client("status").arg("--json").run(SOON).ok().stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let leases = status["leases"].as_array().unwrap();
    let number =
        leases.iter().find(|lease| lease["first_queue"] == 1).unwrap()["lease"].to_string();
    run(&["--lease", "1"]).exits(66);
    let said = run(&["--lease", &number]).ok().stdout;
    assert!(said.contains("eth1 queue 1 of uid") && !said.contains("eth1 queue 0"), "{said}");
    ends_revoked(second);
    assert!(first.runs());
    run(&["--all"]).ok();
    ends_revoked(first);
    lab.nothing_left("eth1", &[]);
}
