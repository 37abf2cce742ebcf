// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clients in Python and Go, and the one that knows only PROTOCOL.md, against the real helper.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use xsk_tests::lab;
use xsk_tests::lab::{
    Cmd, Lab, Running, SOCKET, SOON, Veth, Wire, say_skipped, target_dir, wait_until,
};

/// Debian's own, since the user of a test cannot reach one in root's home.
const PYTHON: &str = "/usr/bin/python3";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs a command to its end in a folder of the tree.
fn runs(command: &mut Command, folder: &str) {
    let out = command.current_dir(root().join(folder)).output().unwrap();
    let said = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(out.status.success(), "{command:?}: {said:?}");
}

/// A cable that the user may have, and a helper that listens.
fn helper_and_cable(lab: &Lab, queues: u32) -> (Veth, Running) {
    let veth = lab.veth(queues);
    lab.allow(&veth.ifname);
    (veth, lab.listen())
}

/// Python as the test's user, with the package where that user can read it.
fn python(lab: &Lab, script: &str) -> Cmd {
    for folder in ["xskclient", "examples"] {
        std::fs::create_dir_all(lab.path("python").join(folder)).unwrap();
        for file in root().join("python").join(folder).read_dir().unwrap().map(Result::unwrap) {
            if file.path().is_file() {
                let name = format!("python/{folder}/{}", file.file_name().to_string_lossy());
                lab.copy(&file.path(), &name);
            }
        }
    }
    let script = lab.script("script.py", script);
    let path = lab.path("python");
    lab.user_cmd(PYTHON)
        .arg("-W")
        .arg("error")
        .arg(script)
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

#[test]
fn python_keeps_to_the_page() {
    runs(Command::new(PYTHON).args(["-B", "-m", "unittest", "discover", "-s", "tests"]), "python");
}

#[test]
fn python_acquires_checks_lists_and_hears_of_a_revoke() {
    let lab = lab!();
    let (veth, listener) = helper_and_cable(&lab, 2);
    let script = r#"
import os, sys, xskclient
ifname = sys.argv[1]
assert list(xskclient.list_interfaces()) == [ifname]
assert xskclient.check(ifname, 2).confinement.device
try:
    xskclient.acquire("lo")
except xskclient.Refused as refused:
    assert refused.code == xskclient.Code.NOT_ALLOWED and refused.hint, refused
try:
    xskclient.acquire(ifname, path="/nowhere/socket")
except xskclient.Unreachable as error:
    assert "/nowhere/socket" in str(error)
before = len(os.listdir("/proc/self/fd"))
with xskclient.acquire(ifname, 2) as lease:
    assert len(lease.sockets) == 2 and not any(map(os.get_inheritable, lease.descriptors()))
    mine = xskclient.status().leases
    assert [each.lease for each in mine] == [lease.granted.lease], mine
    try:
        xskclient.acquire(ifname)
    except xskclient.Refused as refused:
        assert refused.code == xskclient.Code.BUSY
    assert lease.news() is None
    assert xskclient.revoke(ifname) == 1
    assert [event.kind.name for event in lease.events()] == ["REVOKED"]
assert len(os.listdir("/proc/self/fd")) == before
print("done")
"#;
    let done = python(&lab, script).arg(&veth.ifname).run(SOON).ok();
    assert_eq!(done.stdout.trim(), "done");
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn python_awaits_events_and_a_cancelled_request_leaves_nothing() {
    let lab = lab!();
    let (veth, listener) = helper_and_cable(&lab, 1);
    let script = r#"
import asyncio, socket, sys, xskclient
from xskclient import aio

async def main(ifname):
    async with await aio.acquire(ifname) as lease:
        assert [each.lease for each in (await aio.status()).leases] == [lease.granted.lease]
        waiting = asyncio.ensure_future(lease.news())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await asyncio.to_thread(xskclient.revoke, ifname)
        assert (await waiting).kind == xskclient.EventKind.REVOKED
        assert [event async for event in lease] == []
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    silent.bind("\0" + "silent-" + ifname + str(lease.granted.lease))
    silent.listen()
    try:
        await aio.acquire(ifname, path=silent.getsockname().decode(), timeout=0.2)
    except xskclient.TimedOut:
        print("done")
    silent.close()

asyncio.run(main(sys.argv[1]))
"#;
    let done = python(&lab, script).arg(&veth.ifname).run(SOON).ok();
    assert_eq!(done.stdout.trim(), "done");
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn python_starts_a_setuid_helper() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let script = r#"
import sys, xskclient
with xskclient.acquire_from([sys.argv[2]], sys.argv[1]) as lease:
    print("granted", lease.granted.ifname)
try:
    xskclient.acquire_from([sys.argv[2]], "lo")
except xskclient.Refused as refused:
    print(refused.code)
"#;
    let helper = lab.bin("xsk-helper");
    let done =
        python(&lab, script).arg(&veth.ifname).arg(helper).env("SUDO_UID", "0").run(SOON).ok();
    assert_eq!(done.stdout, format!("granted {}\nnot-allowed\n", veth.ifname));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_python_example_answers_pings() {
    let lab = lab!();
    let (veth, listener) = helper_and_cable(&lab, 1);
    let example = std::fs::read_to_string(root().join("python/examples/echo.py")).unwrap();
    let mut running = python(&lab, &example).args([&veth.ifname, &veth.ip.to_string()]).start();
    running.says("ready:", SOON);
    assert_eq!(lab.pings(veth.ip, 10), 10);
    running.signal(Signal::SIGINT);
    running.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// The example in Go, built once.
fn hold(lab: &Lab) -> Option<PathBuf> {
    if !Command::new("go").arg("version").output().is_ok_and(|out| out.status.success()) {
        say_skipped("no go on this machine: apt-get install golang-go");
        return None;
    }
    let folder = target_dir().join("go");
    let binary = folder.join("hold");
    let mut build = go(&["build", "-o"]);
    runs(build.arg(&binary).arg("./examples/hold"), "go");
    Some(lab.copy(&binary, "hold"))
}

/// The `go` command with its cache in the target folder, and no network.
fn go(words: &[&str]) -> Command {
    let mut command = Command::new("go");
    let cache = std::path::absolute(target_dir()).unwrap().join("go/cache");
    command.args(words).env("GOCACHE", cache).env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
    command
}

#[test]
fn go_keeps_to_the_page_and_acquires() {
    let lab = lab!();
    let (veth, listener) = helper_and_cable(&lab, 3);
    let Some(hold) = hold(&lab) else { return };
    runs(&mut go(&["vet", "./..."]), "go");
    runs(&mut go(&["test", "./..."]), "go");
    let (input, _open) = nix::unistd::pipe().unwrap();
    let mut running = lab.user_cmd(&hold).args(["-queues", "3", &veth.ifname]).stdin(input).start();
    running.says("3 sockets", SOON);
    lab.cmd("xsk-helper").args(["revoke", &veth.ifname]).run(SOON).ok();
    wait_until(SOON, "the example in Go ends", || !running.runs());
    let done = running.finish(SOON).ok();
    assert!(done.stdout.contains("the lease is over"), "{}", done.stdout);
    let refused = lab.user_cmd(&hold).arg("lo").run(SOON).exits(1);
    assert!(refused.stderr.contains("(not-allowed)"), "{}", refused.stderr);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn a_client_that_knows_only_the_page_acquires() {
    let lab = lab!();
    let (veth, listener) = helper_and_cable(&lab, 3);
    let client = std::fs::read_to_string(root().join("proto/tests/client.py")).unwrap();
    let page = lab.copy(&root().join("proto/PROTOCOL.md"), "PROTOCOL.md");
    let connection = Wire::connect_as(SOCKET, &lab.user);
    let talk = python(&lab, &client)
        .arg("talk")
        .arg(page)
        .arg(&veth.ifname)
        .stdin(connection.fd().try_clone().unwrap());
    let report: Value = serde_json::from_str(&talk.run(SOON).ok().stdout).unwrap();
    assert_eq!(report["granted"][1]["queues"], 3);
    assert_eq!(report["domains"], serde_json::json!([44, 44, 44]));
    drop(connection);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
