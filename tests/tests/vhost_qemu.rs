// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-backend --peer vhost-user` as the network card of the distribution's own QEMU: an ordinary
//! uid without any capability boots a guest over AF_XDP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xsk_tests::lab::dnsmasq::BOOT_FILE;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::vhost::QEMU;
use xsk_tests::lab::wait::wait_quietly;
use xsk_tests::lab::{Lab, Running, wait_until};
use xsk_tests::{lab, skip};

/// TCG on a busy machine is slow.
const BOOT: Duration = Duration::from_secs(120);

const SCRIPT: &str = "#!ipxe\necho the lab was here\nsleep 600\n";

/// The distribution's, and the newest that `make qemu` builds.
fn qemus(lab: &Lab) -> Vec<(PathBuf, Vec<OsString>)> {
    let own =
        lab.qemu().map(|(qemu, firmware)| (qemu, vec!["-L".into(), firmware.into_os_string()]));
    [(QEMU.into(), vec![])].into_iter().chain(own).collect()
}

fn has_nothing(lab: &Lab, process: Process) {
    let caps = process.caps();
    assert_eq!(process.uids(), [lab.user.uid; 4], "{}", process.describe());
    assert_eq!((caps.effective, caps.permitted, caps.ambient), (0, 0, 0), "{}", process.describe());
}

fn boots(dnsmasq: &mut Running, guest: &Running) {
    let has_address = wait_quietly(BOOT, || dnsmasq.stderr().contains("DHCPACK"));
    assert!(has_address, "no DHCPACK: {}{}", guest.stdout(), guest.stderr());
    dnsmasq.says(&format!("sent /run/xsk-lab/tftp/{BOOT_FILE}"), BOOT);
}

fn unfit() -> Option<String> {
    let missing = !Path::new(QEMU).exists();
    missing.then(|| format!("{QEMU} is missing: apt-get install qemu-system-x86"))
}

/// Firmware uses one pair of however many there are, and the answers come by another queue.
#[test]
fn a_guest_with_four_pairs_boots_by_the_first() {
    let lab = lab!();
    if let Some(why) = unfit() {
        skip!("{why}");
    }
    let veth = lab.veth(4);
    lab.steer(&veth, 3);
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let (device, path) = lab.vhost(&veth, "");
    let guest = lab.vhost_qemu(QEMU.as_ref(), &path, 4).start();
    boots(&mut dnsmasq, &guest);
    guest.kill();
    let counts = device.kill().stdout;
    assert!(counts.contains("ready:"), "{counts}");
    lab.nothing_left(&veth.ifname, &[]);
}

/// Each boot is a reset of the machine; in between the device is killed, and started again as by a
/// supervisor.
#[test]
fn a_guest_reboots_and_its_device_comes_back() {
    let lab = lab!();
    if let Some(why) = unfit() {
        skip!("{why}");
    }
    let veth = lab.veth(1);
    let mut dnsmasq = lab.dnsmasq(&veth, "#!ipxe\nreboot\n");
    let (device, path) = lab.vhost(&veth, "");
    let guest = lab.vhost_qemu(QEMU.as_ref(), &path, 1).start();
    boots(&mut dnsmasq, &guest);
    let acks = |dnsmasq: &Running| dnsmasq.stderr().matches("DHCPACK(").count();
    wait_until(BOOT, "a second boot", || acks(&dnsmasq) >= 2);
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
    let (device, _path) = lab.vhost(&veth, "");
    let before = acks(&dnsmasq);
    wait_until(BOOT, "a boot by the new device", || acks(&dnsmasq) > before);
    guest.kill();
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_guest_gets_a_lease_and_a_file() {
    let lab = lab!();
    if let Some(why) = unfit() {
        skip!("{why}");
    }
    for (qemu, more) in qemus(&lab) {
        let veth = lab.veth(1);
        let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
        let (device, path) = lab.vhost(&veth, "");
        let guest = lab.vhost_qemu(&qemu, &path, 1).args(more).start();
        boots(&mut dnsmasq, &guest);
        has_nothing(&lab, Process::new(guest.pid()));
        has_nothing(&lab, Process::new(device.pid()));
        guest.kill();
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
