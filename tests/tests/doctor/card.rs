// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cards that are not in this machine: the test covers what /sys says about a cable with what it
//! says about a card.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use xsk_tests::lab;
use xsk_tests::lab::{HELPER, Lab};

use super::said::{NO_QEMU, doctor, run};

/// The interface `eth1`, of which /sys says that it is a card with this driver. Its folder there.
fn card(lab: &Lab, driver: &str) -> PathBuf {
    lab.veth_named("eth1", 1, 1);
    lab.allow("*");
    let folder = PathBuf::from("/sys/devices/virtual/net/eth1");
    let index = lab.ifindex("eth1");
    mount(Some("lab"), &folder, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    fs::write(folder.join("ifindex"), format!("{index}\n")).unwrap();
    for queue in ["rx-0", "tx-0"] {
        fs::create_dir_all(folder.join("queues").join(queue)).unwrap();
    }
    fs::create_dir_all(folder.join("device")).unwrap();
    symlink(Path::new("/drivers").join(driver), folder.join("device/driver")).unwrap();
    folder
}

#[test]
fn a_virtual_function_is_its_physical_ones_to_confine() {
    let lab = lab!();
    let folder = card(&lab, "iavf");
    doctor(&lab, "eth1").lacks("vf");
    // The device of the function, the physical one, and its interface.
    let physical = folder.join("physical");
    fs::create_dir_all(&physical).unwrap();
    symlink(folder.join("device"), physical.join("virtfn3")).unwrap();
    symlink(&physical, folder.join("device/physfn")).unwrap();
    doctor(&lab, "eth1").has(
        "note",
        "vf",
        "virtual function 3 of a card that cannot be seen from here; whether it may send from other addresses is not known",
        "where the physical function PF is: ip link set PF vf 3 trust off spoofchk on",
    );
    fs::create_dir_all(physical.join("net/eth8")).unwrap();
    let said = doctor(&lab, "eth1");
    said.ok("interface", "eth1 is up, driver iavf");
    said.has(
        "note",
        "vf",
        "virtual function 3 of eth8: it cannot be seen from here whether it may send from other addresses or receive \
         for them",
        "sudo ip link set eth8 vf 3 trust off spoofchk on",
    );
    lab.no_helpers_but(&[]);
}

#[test]
fn virtio_with_offloads_that_the_guest_cannot_turn_off() {
    let lab = lab!();
    let folder = card(&lab, "virtio_net");
    fs::write(folder.join("device/features"), "0100000110000000\n").unwrap();
    let said = doctor(&lab, "eth1");
    said.has(
        "note",
        "virtio",
        "guest offloads are on and cannot be turned off from in here: the driver refuses native XDP",
        "to the outer QEMU: -device virtio-net-pci,ctrl_guest_offloads=on; or: guest_csum=off,guest_tso4=off,\
         guest_tso6=off,guest_ecn=off,guest_ufo=off",
    );
    fs::write(folder.join("device/features"), "0110000110000000\n").unwrap();
    doctor(&lab, "eth1").ok("virtio", "the driver can turn them off for XDP");
    lab.no_helpers_but(&[]);
}

/// A veth says how many channels it has and can have, but none that are combined.
#[test]
fn virtio_without_spare_queues() {
    let lab = lab!();
    card(&lab, "virtio_net");
    let possible = "/sys/devices/system/cpu/possible";
    let cpus: u32 =
        fs::read_to_string(possible).unwrap().trim().rsplit('-').next().unwrap().parse().unwrap();
    let cpus = cpus + 1;
    let message = format!(
        "0 of 0 pairs of queues used, and XDP wants one more for each of {cpus} CPUs: it sends under a lock"
    );
    let mend = format!(
        "to the outer QEMU: -netdev tap,queues={}, -device virtio-net-pci,mq=on,vectors={}",
        cpus + 1,
        2 * cpus + 4
    );
    doctor(&lab, "eth1").has("note", "spare", &message, &mend);
    lab.no_helpers_but(&[]);
}

#[test]
fn mlx5_before_it_had_one_set_of_queues() {
    let lab = lab!();
    card(&lab, "mlx5_core");
    doctor(&lab, "eth1").lacks("mlx5");
    let client = lab.bin("xsk-client");
    lab.bin("xsk-helper");
    // A number below 3 is all that can be shown.
    let old = || {
        let old = lab.user_cmd("setarch").arg("--uname-2.6").arg(&client);
        old.args(["doctor", "--helper", HELPER, "eth1"]).args(NO_QEMU)
    };
    run(old).has(
        "note",
        "mlx5",
        "mlx5 before Linux 6.1 has the queues for AF_XDP after the first 1",
        "start-queue=1 for the first of them; or: boot 6.1 or later",
    );
    lab.no_helpers_but(&[]);
}
