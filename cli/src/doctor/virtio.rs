// SPDX-License-Identifier: MIT OR Apache-2.0
//! virtio-net: this machine is a guest, so the outer machine decides what the card can do.
#![forbid(unsafe_code)]

use super::finding::Finding;
use crate::nic::Nic;

/// The bits of include/uapi/linux/virtio_net.h.
const CTRL_GUEST_OFFLOADS: usize = 2;
const GUEST_OFFLOADS: [usize; 5] = [1, 7, 8, 9, 10];

pub(super) fn findings(nic: &Nic) -> Vec<Finding> {
    if nic.driver != "virtio_net" {
        return Vec::new();
    }
    let offered = nic.read("device/features").map(|bits| guest_offloads(&bits));
    [offered, spare(nic)].into_iter().flatten().collect()
}

/// The driver turns the offloads off by itself where it may, and refuses native XDP elsewhere.
fn guest_offloads(bits: &str) -> Finding {
    let has = |bit: usize| bits.as_bytes().get(bit) == Some(&b'1');
    if has(CTRL_GUEST_OFFLOADS) || !GUEST_OFFLOADS.into_iter().any(has) {
        return Finding::ok(
            "virtio",
            "the guest offloads are off, or the driver can turn them off for XDP",
        );
    }
    Finding::note(
        "virtio",
        "guest offloads are on and cannot be turned off from in here: the driver refuses native XDP",
        "to the outer QEMU: -device virtio-net-pci,ctrl_guest_offloads=on; or: guest_csum=off,guest_tso4=off,\
         guest_tso6=off,guest_ecn=off,guest_ufo=off",
    )
}

/// Native XDP needs one more pair of queues per CPU (`virtnet_xdp_set`, drivers/net/virtio_net.c).
fn spare(nic: &Nic) -> Option<Finding> {
    let channels = nic.channels?;
    let possible = std::fs::read_to_string("/sys/devices/system/cpu/possible").ok()?;
    let cpus = possible.trim().rsplit(['-', ',']).next()?.parse::<u32>().ok()? + 1;
    let (used, most) = (channels.combined, channels.max_combined);
    if used + cpus <= most {
        return Some(Finding::ok(
            "spare",
            format!("{used} of {most} pairs of queues used, {cpus} CPUs"),
        ));
    }
    let message = format!(
        "{used} of {most} pairs of queues used, and XDP wants one more for each of {cpus} CPUs: it sends under a lock"
    );
    let mend = match most.checked_sub(cpus).filter(|left| *left > 0) {
        Some(left) => format!("sudo ethtool -L {} combined {left}", nic.name()),
        None => format!(
            "to the outer QEMU: -netdev tap,queues={0}, -device virtio-net-pci,mq=on,vectors={1}",
            cpus + 1,
            2 * (cpus + 1) + 2
        ),
    };
    Some(Finding::note("spare", message, mend))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn only_offloads_that_nobody_here_can_turn_off_are_in_the_way() {
        let state = |bits: &str| guest_offloads(bits).state;
        assert_eq!(state("000000010000"), State::Note);
        assert_eq!(state("010000000000"), State::Note);
        assert_eq!(state("001000010000"), State::Ok);
        assert_eq!(state("100000000000"), State::Ok);
    }
}
