// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: its kernel, what it can confine, how much may be locked, and its QEMU.

use std::path::Path;

use super::Finding;
use crate::Kind;
use crate::run::probe;
use crate::sys::{descriptors, limits};
use xsk_proto::Code;

/// The oldest kernel that can work, and the oldest that is fully supported.
const LEAST: (u32, u32) = (5, 10);
const FULL: (u32, u32) = (6, 1);

/// What QEMU locks for one queue, in bytes.
const QEMU_QUEUE: u64 = 32 << 20;

pub(super) fn kernel() -> Finding {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < LEAST {
        let message = format!("{release} cannot put an unbound socket into an XSKMAP (5.10 can)");
        return Finding::fail("kernel", Kind::Refused(Code::KernelTooOld), message, "boot a newer kernel");
    }
    if version < FULL {
        let message = format!("{release} works, with limits: some clean-up waits for the sockets to close");
        return Finding::note("kernel", message, "boot 6.1 or later");
    }
    let cookie = if descriptors::netns_cookie().is_some() { "" } else { ", without SO_NETNS_COOKIE" };
    Finding::ok("kernel", format!("{release}{cookie}"))
}

/// Whether the bind guard can be there: the BPF LSM has to be in the list.
pub(super) fn confinement() -> Finding {
    match std::fs::read_to_string("/sys/kernel/security/lsm") {
        Ok(list) if list.trim().split(',').any(|name| name == "bpf") => {
            Finding::ok("guard", "the BPF LSM is on: sockets can be confined to their queues")
        }
        Ok(list) => Finding::note(
            "guard",
            format!(
                "the BPF LSM is off ({}): sockets are confined to the interface, not to their queues",
                list.trim()
            ),
            format!("boot with lsm={},bpf", list.trim()),
        ),
        Err(_) => Finding::note(
            "guard",
            "cannot see whether the BPF LSM is on",
            "sudo cat /sys/kernel/security/lsm",
        ),
    }
}

pub(super) fn memlock(qemu: &str) -> Finding {
    let path = probe::resolve(qemu.as_ref()).unwrap_or_default();
    if limits::exempt(&path) {
        return Finding::ok("memlock", "the limit is moot: CAP_IPC_LOCK");
    }
    match limits::memlock().1 {
        Some(limit) if limit < QEMU_QUEUE => Finding::note(
            "memlock",
            format!(
                "{} KiB may be locked; QEMU's af-xdp needs 32 MiB a queue (xsk-backend less than 1 MiB)",
                limit >> 10
            ),
            "echo \"$USER - memlock 32768\" | sudo tee /etc/security/limits.d/xsk.conf, and log in again; or the \
             policy's memlock",
        ),
        Some(limit) => {
            Finding::ok("memlock", format!("{} MiB: {} of QEMU's queues", limit >> 20, limit / QEMU_QUEUE))
        }
        None => Finding::ok("memlock", "no limit"),
    }
}

pub(super) fn qemu(program: &str) -> Finding {
    let Ok(path) = probe::resolve(program.as_ref()) else {
        return Finding::note("qemu", format!("{program} is not in PATH"), "apt install qemu-system-x86");
    };
    let version = probe::version(&path).unwrap_or_else(|| "of unknown version".into());
    let shown = path.display();
    match probe::has_af_xdp(&path) {
        Some(true) => Finding::ok("qemu", format!("{shown} {version}, with af-xdp")),
        Some(false) => Finding::note(
            "qemu",
            format!("{shown} {version}, without af-xdp: it works through xsk-backend"),
            format!("xsk-client run --backend stream -- {program} ... -netdev af-xdp,..."),
        ),
        None => unreadable(&path),
    }
}

fn unreadable(path: &Path) -> Finding {
    let path = path.display();
    Finding::note("qemu", format!("{path} does not say which netdevs it has"), format!("{path} -netdev help"))
}
