// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways in which a command ends, by itself and by its terminal. The lease ends exactly with the
//! last holder of the sockets, and leaves nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use caps::Capability;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, chown};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, HELPER, Lab, Running, SOON, Veth, wait_for, wait_until};
use xsk_tests::{lab, skip};

const NETDEV: &str = "af-xdp,id=n0,ifname=eth1";

/// A QEMU that needs no guest, and the path of its QMP socket.
fn idle(lab: &Lab, cmd: Cmd) -> (Cmd, PathBuf) {
    let folder = lab.path("qmp");
    fs::create_dir_all(&folder).unwrap();
    chown(&folder, Some(Uid::from_raw(lab.user.uid)), None).unwrap();
    let socket = folder.join("socket");
    let qmp = format!("unix:{},server=on,wait=off", socket.display());
    (cmd.words("-machine none -nodefaults -display none -qmp").arg(qmp), socket)
}

/// QEMU takes 32 MiB a queue.
fn locking(cmd: Cmd) -> Cmd {
    cmd.ambient(&[Capability::CAP_IPC_LOCK])
}

/// A QEMU with a lease, as xsk-client starts it.
fn started(lab: &Lab, veth: &Veth, qemu: &Path) -> (Running, PathBuf) {
    lab.allow(&veth.ifname);
    let (cmd, socket) =
        idle(lab, locking(lab.client("run")).args(["--backend", "direct", "--"]).arg(qemu));
    let running = cmd.args(["-netdev", NETDEV]).start();
    asks(&socket, &[]);
    assert!(lab.xdp(&veth.ifname).is_some(), "no program on the interface");
    assert_eq!(lab.keepers(&[]).len(), 1);
    (running, socket)
}

/// A QEMU that a netdev can be plugged into.
fn without_netdev(lab: &Lab, veth: &Veth, qemu: &Path, words: &str) -> (Running, PathBuf) {
    lab.allow(&veth.ifname);
    let (cmd, socket) = idle(lab, locking(lab.user_cmd(qemu)));
    let running = cmd.words(words).start();
    asks(&socket, &[]);
    (running, socket)
}

/// Gives QEMU these commands, and waits for each answer; returns the last.
fn asks(socket: &Path, commands: &[&str]) -> String {
    let mut writer = wait_for(SOON, "QEMU's QMP socket", || UnixStream::connect(socket).ok());
    writer.set_read_timeout(Some(SOON)).unwrap();
    let mut answers = BufReader::new(writer.try_clone().unwrap()).lines().map(Result::unwrap);
    assert!(answers.any(|line| line.contains("\"QMP\"")), "no greeting");
    let mut last = String::new();
    for command in [&["qmp_capabilities"], commands].concat() {
        writeln!(writer, "{{\"execute\":\"{command}\"}}").unwrap();
        let answer = answers.find(|line| line.contains("\"return\""));
        last = answer.unwrap_or_else(|| panic!("no answer to {command}"));
    }
    last
}

/// The first process of the lab that executes a file with this name.
fn find(lab: &Lab, name: &str) -> Process {
    wait_for(SOON, name, || lab.processes().into_iter().find(|process| process.runs(name)))
}

/// `xsk-client run` with these words on a terminal of its own, and what the terminal's user types.
fn on_a_terminal(lab: &Lab, words: &str) -> (Running, UnixStream) {
    let client = lab.bin("xsk-client");
    lab.bin("xsk-helper");
    let line = format!("{} run --helper {HELPER} {words}", client.display());
    let (keyboard, stdin) = UnixStream::pair().unwrap();
    let script = lab.user_cmd("script").args(["-qec", &line, "/dev/null"]).stdin(stdin.into());
    (locking(script).start(), keyboard)
}

/// A QEMU with a lease, in the foreground of a terminal.
fn qemu_on_a_terminal(lab: &Lab, veth: &Veth, qemu: &Path) -> (Running, UnixStream, Process) {
    lab.allow(&veth.ifname);
    let words =
        format!("-- {} -machine none -nodefaults -display none -netdev {NETDEV}", qemu.display());
    let (script, keyboard) = on_a_terminal(lab, &words);
    // Before the program is there, a QEMU runs that is asked what it can do.
    wait_until(SOON, "the program on the interface", || lab.xdp(&veth.ifname).is_some());
    let process = find(lab, "qemu-system-x86_64");
    (script, keyboard, process)
}

/// Nobody else gets the queue.
fn is_held(lab: &Lab) {
    let words = ["--acquire", NETDEV, "--", "true"];
    locking(lab.client("run"))
        .args(words)
        .run(SOON)
        .exits(125)
        .err_has("queue 0 of eth1 is leased to uid");
}

/// Whether a process has a controlling terminal.
fn has_terminal(process: Process) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(4)) != Some("0")
}

#[test]
fn a_quit_by_qmp_ends_the_lease() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok((qemu, _)) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    let (running, socket) = started(&lab, &veth, &qemu);
    asks(&socket, &["quit"]);
    running.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_killed_qemu_ends_the_lease() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok((qemu, _)) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    let (running, _) = started(&lab, &veth, &qemu);
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn an_interrupt_from_the_terminal_ends_the_lease() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok((qemu, _)) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    let (script, mut keyboard, process) = qemu_on_a_terminal(&lab, &veth, &qemu);
    keyboard.write_all(b"\x03").unwrap();
    wait_until(SOON, "QEMU to end", || !process.is_live());
    script.finish(SOON);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_terminal_that_closes_ends_the_lease() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok((qemu, _)) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    let (script, _keyboard, process) = qemu_on_a_terminal(&lab, &veth, &qemu);
    script.kill();
    wait_until(SOON, "QEMU to end", || !process.is_live());
    lab.nothing_left(&veth.ifname, &[]);
}

/// Neither the helper's processes nor the lease have anything to do with the terminal.
#[test]
fn a_holder_that_outlives_its_terminal_keeps_the_lease() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let words = format!("--acquire {NETDEV} -- nohup sleep 600 >/dev/null");
    let (script, _keyboard) = on_a_terminal(&lab, &words);
    let holder = find(&lab, "sleep");
    let keeper = lab.keepers(&[])[0].settled();
    assert!(
        has_terminal(holder) && !has_terminal(keeper),
        "the terminal reaches {}",
        keeper.describe()
    );
    script.kill();
    wait_until(SOON, "the terminal to go", || !has_terminal(holder));
    assert!(holder.is_live(), "the hangup ended the holder");
    is_held(&lab);
    assert!(
        keeper.is_live() && lab.xdp(&veth.ifname).is_some(),
        "the lease ended before its holder"
    );
    holder.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_last_of_two_holders_ends_the_lease() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let words = ["--acquire", NETDEV, "--", "sh", "-c", "sleep 600 & exec tail -f /dev/null"];
    let first = locking(lab.client("run")).args(words).start();
    let second = find(&lab, "sleep");
    let keeper = lab.keepers(&[])[0].settled();
    find(&lab, "tail");
    first.kill();
    is_held(&lab);
    assert!(
        keeper.is_live() && lab.xdp(&veth.ifname).is_some(),
        "the lease ended before its last holder"
    );
    second.signal(Signal::SIGTERM);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_netdev_is_plugged_in_and_out_and_in_until_qemu_quits() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok((qemu, _)) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    let (mut running, socket) = without_netdev(&lab, &veth, &qemu, "");
    let attach = || lab.client("attach").arg("--qmp").arg(&socket).arg(NETDEV).run(SOON).ok();
    assert!(attach().stdout.contains("1 queue of eth1 in QEMU"));
    assert!(lab.xdp(&veth.ifname).is_some(), "no program on the interface");
    lab.user_cmd("xsk-client").arg("detach").arg("--qmp").arg(&socket).arg("n0").run(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
    assert!(running.runs(), "QEMU ended with its netdev");
    attach();
    assert!(lab.xdp(&veth.ifname).is_some(), "no program on the interface");
    asks(&socket, &["quit"]);
    running.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

/// Its options mean what they mean behind -device: a slot in hexadecimal, a switch that is none in
/// QMP.
#[test]
fn a_card_is_plugged_in_as_the_command_line_has_it() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok((qemu, _)) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    let (running, socket) = without_netdev(&lab, &veth, &qemu, "-machine pc -S");
    let attach = |card: &str| {
        lab.client("attach")
            .arg("--qmp")
            .arg(&socket)
            .args(["--device", card])
            .arg(NETDEV)
            .run(SOON)
    };
    let refused = attach("virtio-net-pci,nonsense=1");
    assert!(!refused.status.success(), "{refused:?}");
    refused.err_has("nonsense");
    lab.nothing_left(&veth.ifname, &[]);
    // QEMU itself completes no checksums, and what is in the way is said here as by `run`.
    let said = attach("virtio-net-pci,addr=10,disable-legacy=on").ok().stderr;
    assert!(
        said.contains("xsk-client: eth1: warning: the other end is in another network namespace"),
        "{said}"
    );
    let cards = asks(&socket, &["query-pci"]);
    assert!(cards.contains("\"slot\": 16") && cards.contains("\"qdev_id\": \"dev-n0\""), "{cards}");
    asks(&socket, &["quit"]);
    running.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}
