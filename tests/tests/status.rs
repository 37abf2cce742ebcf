// SPDX-License-Identifier: MIT OR Apache-2.0
//! `status` with several users: whose leases, of which program, in an order, and without a word
//! where its reader has read enough.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, Lab, Running, SOCKET, SOON, User};

/// A shell called `qemu` that holds a lease, and has an option as QEMU's `-name`.
fn vm(lab: &Lab, user: &User, queue: u32, name: &str) -> Running {
    let netdev = format!("af-xdp,id=n0,ifname=eth1,start-queue={queue}");
    let run = lab.cmd("xsk-client").user(user).args([
        "run",
        "--socket",
        SOCKET,
        "--acquire",
        &netdev,
        "--",
    ]);
    let mut running =
        run.args(["sh", "-c", "echo started; sleep 600 & wait", "sh", "-name", name]).start();
    running.says("started", SOON);
    running
}

fn status(lab: &Lab, words: &[&str]) -> Cmd {
    lab.cmd("xsk-client").args(["status", "--socket", SOCKET]).args(words)
}

fn lines(lab: &Lab, words: &[&str]) -> Vec<Vec<String>> {
    let text = status(lab, words).run(SOON).ok().stdout;
    let split = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().skip(1).map(split).collect()
}

#[test]
fn leases_are_sorted_and_have_a_user_a_name_and_a_command() {
    let lab = lab!();
    lab.veth(4);
    let other = lab.share();
    let name = lab.account();
    let listener = lab.listen();
    let first = vm(&lab, &other, 3, "guest=db,debug-threads=on");
    let second = vm(&lab, &lab.user, 0, "web");
    let found = lines(&lab, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    let other_uid = other.uid.to_string();
    assert_eq!(found[0][..6], ["eth1", "0", &name, "web", "sh", &second.pid().to_string()]);
    assert_eq!(found[1][..6], ["eth1", "3", &other_uid, "db", "sh", &first.pid().to_string()]);
    assert_eq!(lines(&lab, &["--user", &name])[..], found[..1]);
    assert_eq!(lines(&lab, &["--user", &other_uid])[0][1], "3");
    assert_eq!(lines(&lab, &["eth1", "--user", "root"]).len(), 0);
    assert_eq!(lines(&lab, &["eth7"]).len(), 0);
    let json: Value =
        serde_json::from_str(&status(&lab, &["--json"]).run(SOON).ok().stdout).unwrap();
    let lease = &json["leases"][1];
    assert_eq!((&lease["name"], &lease["command"]), (&"db".into(), &"sh".into()));
    assert_eq!((&lease["user"], &lease["granting"]), (&other_uid.as_str().into(), &false.into()));
    status(&lab, &["--user", "no-such-user-here"]).run(SOON).exits(64).err_has("there is no user");
    drop((first, second));
    lab.processes()
        .iter()
        .filter(|process| process.runs("sleep"))
        .for_each(|process| process.kill());
    lab.nothing_left("eth1", &[listener.pid()]);
}

#[test]
fn the_environment_names_the_socket_and_an_option_wins() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("eth1");
    let listener = lab.listen();
    let client = |variable: &str| {
        lab.user_cmd("xsk-client").env("XSK_HELPER_SOCKET", variable).arg("status")
    };
    client(SOCKET).run(SOON).ok();
    client("").run(SOON).ok();
    client("/nonexistent/socket").run(SOON).exits(69).err_has("/nonexistent/socket");
    client("/nonexistent/socket").args(["--socket", SOCKET]).run(SOON).ok();
    let backend = lab.user_cmd("xsk-backend").env("XSK_HELPER_SOCKET", "/nonexistent/socket");
    let netdev = ["--netdev", "af-xdp,id=n0,ifname=eth1", "--peer", "discard"];
    backend.args(netdev).run(SOON).exits(69).err_has("/nonexistent/socket");
    lab.nothing_left("eth1", &[listener.pid()]);
}

#[test]
fn a_watch_goes_on_and_a_closed_pipe_is_silent_while_a_full_disk_is_told() {
    let lab = lab!();
    lab.allow("eth1");
    let _listener = lab.listen();
    let client = lab.bin("xsk-client");
    let shell = |line: &str| {
        let line =
            line.replace("STATUS", &format!("{} status --socket {SOCKET}", client.display()));
        lab.cmd("sh").args(["-c", &line]).run(SOON).ok()
    };
    // The pipe is closed before anything is written to it.
    let done = shell("(sleep 0.3; STATUS; echo status $? >&2) | :");
    assert_eq!(done.stderr, "status 0\n");
    let done = shell("STATUS > /dev/full; echo status $?");
    assert_eq!(done.stdout, "status 69\n");
    assert!(
        done.stderr.contains("cannot write to standard output: No space left"),
        "{}",
        done.stderr
    );
    let mut watch = status(&lab, &["--watch=0.1"]).start();
    let tables = || watch.stdout().matches("INTERFACE").count();
    lab::wait_until(SOON, "the third table", || tables() >= 3);
    assert!(watch.runs());
    watch.kill();
    status(&lab, &["--watch=0.01"]).run(SOON).exits(64);
    status(&lab, &["--watch", "--json"]).run(SOON).exits(64);
}
