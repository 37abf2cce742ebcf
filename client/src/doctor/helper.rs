// SPDX-License-Identifier: MIT OR Apache-2.0
//! The helper: whether it answers, what its policy says to this user, and where it keeps its pins.

use xsk_proto::Verdict;

use super::Finding;
use crate::{Endpoint, Request, check, status};

const BPFFS: &str = "/run/xsk-helper/bpf";
/// include/uapi/linux/magic.h.
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// The findings, and the ids of the programs that are the helper's.
pub(super) fn findings(endpoint: &Endpoint, ifname: Option<&str>) -> (Vec<Finding>, Vec<u32>) {
    let status = match status(endpoint) {
        Ok(status) => status,
        // The rest would say the same once more.
        Err(error) => return (vec![Finding::of("helper", error), bpffs()], Vec::new()),
    };
    let answers = format!("it answers; leases that you can see: {}", status.leases.len());
    let mut findings = vec![Finding::ok("helper", answers), bpffs()];
    if let Some(ifname) = ifname {
        match check(endpoint, &Request::new(ifname)) {
            Ok(verdict) => findings.extend(judged(ifname, &verdict)),
            Err(error) => findings.push(Finding::of("policy", error)),
        }
    }
    (findings, status.interfaces.iter().map(|interface| interface.program_id).collect())
}

fn judged(ifname: &str, verdict: &Verdict) -> Vec<Finding> {
    let may = |what: bool, word: &str| if what { format!(", {word}") } else { String::new() };
    let memlock = match verdict.memlock_max {
        0 => String::new(),
        bytes => format!(", memlock up to {} MiB", bytes >> 20),
    };
    let more = may(verdict.promisc, "promiscuous mode") + &may(verdict.busy_poll, "busy polling") + &memlock;
    let allowed = Finding::ok("policy", format!("you may have {ifname} by {}{more}", verdict.rule));
    let confined = match (verdict.confinement.device, verdict.confinement.queue) {
        (_, true) => Finding::ok("confinement", "sockets are confined to their queues"),
        (true, false) => Finding::ok("confinement", "sockets are confined to the interface"),
        (false, false) => Finding::note(
            "confinement",
            "this kernel confines sockets to nothing",
            "boot a kernel of 6.5 or later",
        ),
    };
    vec![allowed, confined]
}

fn bpffs() -> Finding {
    match rustix::fs::statfs(BPFFS) {
        Ok(fs) if fs.f_type as u64 & 0xffff_ffff == BPF_FS_MAGIC => {
            Finding::ok("bpffs", format!("mounted at {BPFFS}"))
        }
        _ => Finding::note(
            "bpffs",
            format!("not mounted at {BPFFS} as seen from here; a helper that starts as root mounts it"),
            format!("sudo mount -t bpf bpf {BPFFS}"),
        ),
    }
}
