// SPDX-License-Identifier: MIT OR Apache-2.0
//! The distribution's own QEMU, which has no af-xdp, behind `xsk-client run --backend stream`: an
//! ordinary uid without any capability and with 8 MiB of locked memory boots a guest over AF_XDP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use nix::sys::resource::Resource;
use xsk_tests::lab::dnsmasq::BOOT_FILE;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, Lab, Running, SOON, Veth, wait_for, wait_until};
use xsk_tests::{lab, skip};

/// Where Debian has it.
const QEMU: &str = "/usr/bin/qemu-system-x86_64";

const NETDEV: &str = "af-xdp,id=n0,ifname=eth1";

/// TCG on a busy machine is slow.
const BOOT: Duration = Duration::from_secs(120);

const SCRIPT: &str = "#!ipxe\necho the lab was here\nsleep 600\n";

/// The lab's user with nothing but what a login gives: no capability, and systemd's default of
/// locked memory.
fn run(lab: &Lab, options: &[&str]) -> Cmd {
    lab.bin("xsk-backend");
    lab.client("run").args(options).rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20).args(["--", QEMU])
}

/// Why the distribution's QEMU cannot be tested here.
fn unfit(lab: &Lab) -> Option<String> {
    if !Path::new(QEMU).exists() {
        return Some(format!("{QEMU} is missing: apt-get install qemu-system-x86"));
    }
    let list = lab.user_cmd(QEMU).args(["-netdev", "help"]).run(SOON).ok().stdout;
    let lines: Vec<&str> = list.lines().map(str::trim).collect();
    assert!(lines.contains(&"hubport"), "{list}");
    lines.contains(&"af-xdp").then(|| format!("{QEMU} has af-xdp itself"))
}

/// A QEMU whose netdev is served, but which has no machine.
fn idle(lab: &Lab, veth: &Veth) -> (Running, Process) {
    lab.allow(&veth.ifname);
    let words = "-machine none -nodefaults -display none -netdev";
    let mut running = run(lab, &["--backend", "stream"]).words(words).arg(NETDEV).start();
    let process = Process::new(running.pid());
    // QEMU says this of a card-less netdev when it has set up all of them.
    running.says("netdev n0 has no peer", SOON);
    assert!(process.runs("qemu-system-x86_64"), "{}", process.describe());
    let backend = wait_for(SOON, "the backend", || worker(lab));
    assert!(lab.xdp(&veth.ifname).is_some(), "no program on the interface");
    (running, backend)
}

fn backends(lab: &Lab) -> Vec<Process> {
    lab.processes().into_iter().filter(|process| process.runs("xsk-backend")).collect()
}

/// The one that moves frames.
fn worker(lab: &Lab) -> Option<Process> {
    let all = backends(lab);
    all.iter().copied().find(|process| all.iter().any(|other| other.pid == process.parent()))
}

fn has_nothing(lab: &Lab, process: Process) {
    let caps = process.caps();
    assert_eq!(process.uids(), [lab.user.uid; 4], "{}", process.describe());
    assert_eq!((caps.effective, caps.permitted, caps.ambient), (0, 0, 0), "{}", process.describe());
}

#[test]
fn a_guest_of_the_distributions_qemu_gets_a_lease_and_a_file() {
    let lab = lab!();
    if let Some(why) = unfit(&lab) {
        skip!("{why}");
    }
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let features = lab.peer_cmd("ethtool").args(["-k", &veth.peer]).run(SOON).ok().stdout;
    assert!(
        features.contains("tx-checksumming: on"),
        "the cable is not in its default state: {features}"
    );
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let running = run(&lab, &["--backend", "stream"])
        .words("-M pc -accel tcg -m 256 -nodefaults -display none -vga none -serial stdio -netdev")
        .arg(NETDEV)
        .args([
            "-device",
            "virtio-net-pci-non-transitional,netdev=n0,romfile=pxe-virtio.rom,bootindex=0",
        ])
        .start();
    dnsmasq.says("DHCPACK", BOOT);
    dnsmasq.says(&format!("sent /run/xsk-lab/tftp/{BOOT_FILE}"), BOOT);
    let process = Process::new(running.pid());
    assert!(process.runs("qemu-system-x86_64"), "{}", process.describe());
    has_nothing(&lab, process);
    let serving = backends(&lab);
    assert_eq!(serving.len(), 2, "one that moves frames, and its supervisor");
    serving.iter().for_each(|process| has_nothing(&lab, *process));
    assert!(lab.xdp(&veth.ifname).is_some(), "no program on the interface during the run");
    assert_eq!(lab.keepers(&[]).len(), 1);
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
    wait_until(SOON, "the backend to end", || backends(&lab).is_empty());
}

#[test]
fn the_backend_ends_with_a_killed_qemu() {
    let lab = lab!();
    if let Some(why) = unfit(&lab) {
        skip!("{why}");
    }
    let veth = lab.veth(1);
    let (running, backend) = idle(&lab, &veth);
    running.kill();
    wait_until(SOON, "the backend to end", || !backend.is_live());
    lab.nothing_left(&veth.ifname, &[]);
}

/// QEMU reports the end of a stream as an event (`net_stream_send`, net/stream.c), and runs on.
#[test]
fn a_killed_backend_ends_the_lease_and_leaves_qemu() {
    let lab = lab!();
    if let Some(why) = unfit(&lab) {
        skip!("{why}");
    }
    let veth = lab.veth(1);
    let (mut running, backend) = idle(&lab, &veth);
    backend.kill();
    lab.nothing_left(&veth.ifname, &[]);
    assert!(running.runs(), "QEMU ended with its backend");
    running.kill();
}

#[test]
fn qemus_own_is_refused_where_it_has_none_and_nothing_is_attached() {
    let lab = lab!();
    if let Some(why) = unfit(&lab) {
        skip!("{why}");
    }
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let done =
        run(&lab, &["--backend", "direct"]).words("-machine none -netdev").arg(NETDEV).run(SOON);
    done.exits(125).err_has("has no af-xdp netdev built in").err_has("--backend stream");
    lab.nothing_left(&veth.ifname, &[]);
}
