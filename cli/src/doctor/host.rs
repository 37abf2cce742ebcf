// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: its kernel and what that can do, what sockets are held to, and how much memory may
//! be locked.
#![forbid(unsafe_code)]

use xsk_client::Kind;
use xsk_client::descriptors::netns_cookie;
use xsk_proto::{Code, Verdict};

use super::finding::Finding;
use crate::kernel;
use crate::programs;
use crate::qemu::QEMU_QUEUE;
use crate::run::guests;
use crate::sys::{descriptors, limits, netlink};

/// The oldest kernel that can work, and the oldest that is fully supported.
const LEAST: (u32, u32) = (5, 10);
const FULL: (u32, u32) = (6, 1);
/// From here on the kernel tells which queues are in use.
const QUEUE_GET: (u32, u32) = (6, 15);

/// What a kernel may lack, and what that costs.
#[derive(Debug, Clone, Copy)]
struct Has {
    af_xdp: bool,
    cookie: bool,
    peer_pidfd: bool,
    netdev: bool,
    queue_get: bool,
}

pub(super) fn kernel() -> Vec<Finding> {
    let has = Has {
        af_xdp: descriptors::has_af_xdp(),
        cookie: netns_cookie().is_some(),
        peer_pidfd: descriptors::has_peer_pidfd(),
        netdev: matches!(netlink::netdev(kernel::version()), Ok(Some(_))),
        queue_get: kernel::version() >= QUEUE_GET,
    };
    let mut findings = vec![of_version(&kernel::release(), kernel::version())];
    if !has.af_xdp {
        let message = "this kernel has no AF_XDP sockets";
        let mend = "boot a kernel that was built with CONFIG_XDP_SOCKETS=y";
        findings.push(Finding::fail("af-xdp", Kind::Refused(Code::KernelTooOld), message, mend));
    }
    findings.push(features(has));
    findings
}

fn of_version(release: &str, version: (u32, u32)) -> Finding {
    if version < LEAST {
        let message = format!("{release} cannot put an unbound socket into an XSKMAP (5.10 can)");
        return Finding::fail(
            "kernel",
            Kind::Refused(Code::KernelTooOld),
            message,
            "boot a newer kernel",
        );
    }
    if version < FULL {
        let message =
            format!("{release} works, with limits: some clean-up waits for the sockets to close");
        return Finding::note("kernel", message, "boot 6.1 or later");
    }
    Finding::ok("kernel", release)
}

fn features(has: Has) -> Finding {
    let lacks = [
        (has.cookie, "SO_NETNS_COOKIE (namespaces go by their inode)", "5.14"),
        (has.netdev, "netdev netlink (what drivers can do is guessed)", "6.3"),
        (has.peer_pidfd, "SO_PEERPIDFD (clients go by their process id)", "6.5"),
        (
            has.queue_get,
            "queue-get (where bind answers EBUSY after another lease, try again)",
            "6.15",
        ),
    ];
    let lacking: Vec<_> = lacks.into_iter().filter(|(has, ..)| !has).collect();
    match lacking.last() {
        None => Finding::ok("features", "SO_NETNS_COOKIE, SO_PEERPIDFD, netdev netlink"),
        Some((.., since)) => {
            let names: Vec<&str> = lacking.iter().map(|(_, name, _)| *name).collect();
            Finding::note(
                "features",
                format!("without {}", names.join(", ")),
                format!("boot {since} or later"),
            )
        }
    }
}

/// What sockets are held to, as the helper found it, or else as the kernel's list of security
/// modules suggests.
pub(super) fn guard(verdict: Option<&Verdict>) -> Finding {
    let list = std::fs::read_to_string("/sys/kernel/security/lsm");
    let list = list.as_deref().map(str::trim);
    let has = list.is_ok_and(|list| list.split(',').any(|name| name == "bpf"));
    match (verdict.map(|verdict| (verdict.confinement.device, verdict.confinement.queue)), list) {
        (Some((_, true)), _) => Finding::ok("guard", "sockets are confined to their queues"),
        (Some((false, false)), _) => Finding::note(
            "guard",
            "this kernel confines sockets to nothing",
            "boot a kernel of 6.5 or later",
        ),
        (None, Ok(_)) if has => {
            Finding::ok("guard", "the BPF LSM is on: sockets can be confined to their queues")
        }
        (Some(_), Ok(_)) if has => Finding::note(
            "guard",
            "sockets are confined to the interface, not to their queues, though the BPF LSM is on",
            "sudo journalctl -e -t xsk-helper; the helper needs CAP_PERFMON for the guard",
        ),
        (_, Ok(list)) => Finding::note(
            "guard",
            format!(
                "the BPF LSM is off ({list}): sockets are confined to the interface, not to their queues"
            ),
            format!("boot with lsm={list},bpf"),
        ),
        (Some(_), Err(_)) => Finding::note(
            "guard",
            "sockets are confined to the interface, not to their queues",
            "boot with bpf among the security modules: lsm=...,bpf",
        ),
        (None, Err(_)) => Finding::note(
            "guard",
            "cannot see whether the BPF LSM is on",
            "sudo cat /sys/kernel/security/lsm",
        ),
    }
}

pub(super) fn memlock(qemu: &str, verdict: Option<&Verdict>) -> Finding {
    let path = programs::resolve(qemu.as_ref()).unwrap_or_default();
    if limits::exempt(&path) {
        return Finding::ok("memlock", "the limit does not apply: CAP_IPC_LOCK");
    }
    let by_policy = verdict.map_or(0, |verdict| verdict.memlock_max);
    match limits::memlock().1 {
        None => Finding::ok("memlock", "no limit"),
        Some(limit) if limit >= QEMU_QUEUE => Finding::ok(
            "memlock",
            format!("{} MiB: {} of QEMU's queues", limit >> 20, limit / QEMU_QUEUE),
        ),
        Some(limit) if by_policy >= QEMU_QUEUE => Finding::ok(
            "memlock",
            format!(
                "{} KiB here, which the helper may raise to {} MiB",
                limit >> 10,
                by_policy >> 20
            ),
        ),
        Some(limit) => Finding::note(
            "memlock",
            format!(
                "{} KiB may be locked, by {} guests behind xsk-backend; QEMU's af-xdp needs {} MiB per queue",
                limit >> 10,
                guests(limit),
                QEMU_QUEUE >> 20
            ),
            "echo \"$USER - memlock 32768\" | sudo tee /etc/security/limits.d/xsk.conf, and log in again; or: \
             memlock_mib = 32 in the policy's rule",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn each_feature_is_missed_by_name() {
        let all =
            Has { af_xdp: true, cookie: true, peer_pidfd: true, netdev: true, queue_get: true };
        assert_eq!(features(all).state, State::Ok);
        for (has, name, since) in [
            (Has { cookie: false, ..all }, "SO_NETNS_COOKIE", "5.14"),
            (Has { netdev: false, ..all }, "netdev netlink", "6.3"),
            (Has { peer_pidfd: false, cookie: false, ..all }, "SO_PEERPIDFD", "6.5"),
            (Has { queue_get: false, ..all }, "queue-get", "6.15"),
        ] {
            let finding = features(has);
            assert!(finding.message.contains(name), "{finding:?}");
            assert_eq!(finding.mend, format!("boot {since} or later"));
        }
    }

    #[test]
    fn kernels_are_too_old_limited_or_good() {
        let state = |version| of_version("x", version).state;
        assert_eq!(state((5, 4)), State::Fail(Kind::Refused(Code::KernelTooOld)));
        assert_eq!((state((5, 10)), state((6, 1))), (State::Note, State::Ok));
    }
}
