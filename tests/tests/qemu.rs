// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real QEMU with a real guest (iPXE), started by an ordinary uid, gets a DHCP lease and reads a
//! file by TFTP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use caps::Capability;
use xsk_tests::lab::dnsmasq::BOOT_FILE;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, Lab, SOON, Veth, packet};
use xsk_tests::{lab, skip};

/// TCG on a busy machine is slow; iPXE alone needs some 15 s.
const BOOT: Duration = Duration::from_secs(120);

/// What the guest does once it has the file: it shows that it ran it.
const SCRIPT: &str = "#!ipxe\necho the lab was here\nsleep 600\n";

/// QEMU with one network card, behind `run`.
fn guest(run: Cmd, (qemu, firmware): &(PathBuf, PathBuf), netdev: &str) -> Cmd {
    run.arg("--")
        .arg(qemu)
        .args([
            "-M",
            "pc",
            "-accel",
            "tcg",
            "-m",
            "256",
            "-nodefaults",
            "-display",
            "none",
            "-vga",
            "none",
        ])
        .args(["-serial", "stdio", "-L"])
        .arg(firmware)
        .args(["-netdev", netdev])
        .args([
            "-device",
            "virtio-net-pci-non-transitional,netdev=n0,romfile=pxe-virtio.rom,bootindex=0",
        ])
}

/// The guest has gone through DHCP and has read the file.
fn boots(lab: &Lab, veth: &Veth, guest: Cmd) {
    lab.complete_checksums(veth);
    let mut dnsmasq = lab.dnsmasq(veth, SCRIPT);
    let running = guest.start();
    dnsmasq.says("DHCPACK", BOOT);
    dnsmasq.says(&format!("sent /run/xsk-lab/tftp/{BOOT_FILE}"), BOOT);
    let process = Process::new(running.pid());
    assert!(process.runs("qemu-system-x86_64"), "{}", process.describe());
    assert_eq!(process.uids(), [lab.user.uid; 4], "QEMU does not run as the ordinary user");
    // 8 MiB of locked memory is all that this machine gives; QEMU takes 32 a queue.
    let only = Capability::CAP_IPC_LOCK.bitmask();
    assert_eq!((process.caps().effective, process.caps().permitted), (only, only));
    assert!(lab.xdp(&veth.ifname).is_some(), "no program on the interface during the run");
    assert_eq!(lab.keepers(&[]).len(), 1);
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn an_ipxe_guest_gets_a_lease_and_a_file() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok(paths) => paths,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let run = lab.client("run").args(["--backend", "direct"]).ambient(&[Capability::CAP_IPC_LOCK]);
    boots(&lab, &veth, guest(run, &qemu, "af-xdp,id=n0,ifname=eth1"));
}

#[test]
fn a_guest_on_one_queue_leaves_the_other_to_the_host() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok(paths) => paths,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    lab.steer(&veth, 1);
    let run = lab.client("run").args(["--backend", "direct"]).ambient(&[Capability::CAP_IPC_LOCK]);
    let guest = guest(run, &qemu, "af-xdp,id=n0,ifname=eth1,start-queue=1");
    lab.complete_checksums(&veth);
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let running = guest.start();
    dnsmasq.says("DHCPACK", BOOT);
    lab.steer(&veth, 0);
    let mut host = lab.host_tap(&veth.ifname);
    lab.peer_tap(&veth).send(&packet::frame("to the host"));
    assert!(host.receive(SOON, |f| packet::carries(f, "to the host")).is_some());
    running.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_quit_of_qemu_ends_the_lease() {
    let lab = lab!();
    let qemu = match lab.qemu() {
        Ok(paths) => paths,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let run = lab.client("run").args(["--backend", "direct"]).ambient(&[Capability::CAP_IPC_LOCK]);
    lab.complete_checksums(&veth);
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let running = guest(run, &qemu, "af-xdp,id=n0,ifname=eth1").start();
    dnsmasq.says("DHCPDISCOVER", BOOT);
    assert!(lab.xdp(&veth.ifname).is_some());
    running.signal(nix::sys::signal::Signal::SIGTERM);
    running.finish(SOON);
    lab.nothing_left(&veth.ifname, &[]);
}
