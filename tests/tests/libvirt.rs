// SPDX-License-Identifier: MIT OR Apache-2.0
//! libvirt's session mode with `<interface type='vhostuser'>`: what `xsk-client device` prints is
//! pasted into domains, and what the packaged unit runs is their card.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use xsk_tests::lab::libvirt::{Libvirt, Reads};
use xsk_tests::lab::wait::wait_quietly;
use xsk_tests::lab::{Lab, Running, SOON, wait_until};
use xsk_tests::{lab, skip};

fn backend(lab: &Lab, name: &str) -> Running {
    let mut backend = lab.device_unit(name).start();
    backend.says("ready:", SOON);
    backend
}

/// A domain that is not the emulator's any more.
fn is_off(libvirt: &Libvirt<'_>, name: &str) {
    wait_until(SOON, "the domain to be off", || {
        libvirt.virsh(&["domstate", name]).contains("shut off")
    });
}

/// One guest through all that a manager and a bad day do to it. Each step ends when the guest has
/// read files again.
#[test]
fn a_domain_lives_through_everything() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let helper = lab.listen();
    let mut libvirt = match lab.libvirt() {
        Ok(libvirt) => libvirt,
        Err(why) => skip!("{why}"),
    };
    let mut reads = Reads::on(&lab, &veth);
    let netdev = format!("af-xdp,ifname={}", veth.ifname);
    let printed = lab.device(&["add", "vm1", &netdev]).ok();
    libvirt.define("vm1", &printed.stdout);

    // QEMU is started first, and waits for its card.
    let start = libvirt.command(&["start", "vm1"]).start();
    let waits = wait_quietly(SOON * 6, || libvirt.qemu("vm1").is_some());
    assert!(waits, "{}", start.stderr());
    let mut device = backend(&lab, "vm1");
    start.finish(SOON * 3).ok();
    reads.go_on("start");
    libvirt.virsh(&["destroy", "vm1"]);
    libvirt.virsh(&["start", "vm1"]);
    reads.go_on("destroy and start");
    libvirt.virsh(&["reset", "vm1"]);
    reads.go_on("reset");
    libvirt.virsh(&["suspend", "vm1"]);
    libvirt.virsh(&["resume", "vm1"]);
    reads.go_on("suspend and resume");

    libvirt.stop(Signal::SIGTERM);
    reads.go_on("libvirtd stopped");
    libvirt.start();
    libvirt.stop(Signal::SIGKILL);
    libvirt.start();
    reads.go_on("libvirtd killed and started");
    assert!(libvirt.virsh(&["domstate", "vm1"]).contains("running"));

    device.signal(Signal::SIGTERM);
    device.finish(SOON);
    device = backend(&lab, "vm1");
    reads.go_on("backend restarted");
    device.kill();
    device = backend(&lab, "vm1");
    reads.go_on("backend killed and restarted");

    kill(Pid::from_raw(libvirt.qemu("vm1").unwrap()), Signal::SIGKILL).unwrap();
    is_off(&libvirt, "vm1");
    libvirt.virsh(&["start", "vm1"]);
    reads.go_on("QEMU killed and started");

    // A saved state would lack what the backend had still to write.
    libvirt
        .command(&["managedsave", "vm1"])
        .run(SOON * 3)
        .exits(1)
        .err_has("cannot migrate domain");
    reads.go_on("a refused managed save");
    libvirt.virsh(&["destroy", "vm1"]);
    libvirt.end();
    device.kill();
    lab.device(&["remove", "vm1"]).ok();
    lab.nothing_left(&veth.ifname, &[helper.pid()]);
}

/// Two domains on the two queues of one interface, which has an MTU of its own that the guests are
/// told.
#[test]
fn two_domains_have_a_queue_each() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.cmd("ip").words(&format!("link set dev {} mtu 1400", veth.ifname)).run(SOON).ok();
    lab.allow(&veth.ifname);
    let helper = lab.listen();
    let libvirt = match lab.libvirt() {
        Ok(libvirt) => libvirt,
        Err(why) => skip!("{why}"),
    };
    let mut devices = vec![];
    for queue in 0..2 {
        let (name, netdev) =
            (format!("vm{queue}"), format!("af-xdp,ifname={},start-queue={queue}", veth.ifname));
        let printed = lab.device(&["add", &name, &netdev]).ok().stdout;
        libvirt.define(&name, &printed);
        devices.push(backend(&lab, &name));
    }
    libvirt.virsh(&["start", "vm0"]);
    libvirt.virsh(&["start", "vm1"]);
    for name in ["vm0", "vm1"] {
        let pid = libvirt.qemu(name).unwrap();
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(line.contains("\"host_mtu\":1400"), "{line}");
        assert!(libvirt.virsh(&["domstate", name]).contains("running"));
    }
    let listed = lab.device(&["list"]).ok().stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    libvirt.virsh(&["destroy", "vm0"]);
    libvirt.virsh(&["destroy", "vm1"]);
    libvirt.end();
    devices.into_iter().for_each(|device| drop(device.kill()));
    lab.nothing_left(&veth.ifname, &[helper.pid()]);
}
