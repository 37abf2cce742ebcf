// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locked memory. With too little of it `XDP_UMEM_REG` fails, and QEMU then dies of a double free instead of
//! saying so: the limit has to be right before QEMU starts. The kernel charges a UMEM to the real uid, over all
//! its processes (`xdp_umem_account_pages`, net/xdp/xdp_umem.c); the rings are not charged.

use xsk_proto::Code;

use super::Held;
use super::plan::{Plan, Target};
use super::probe::{Program, is_backend};
use crate::sys::limits;
use crate::{Endpoint, Error, Kind, Request, check};

const MIB: u64 = 1 << 20;

/// QEMU: 8192 frames of 4096 bytes a queue (`af_xdp_umem_create`, net/af-xdp.c).
const QEMU_QUEUE: u64 = 32 * MIB;

/// xsk-backend: the least that it makes do with, 112 frames of 4096 bytes a queue.
const BACKEND_QUEUE: u64 = 112 * 4096;

/// What the command will lock.
#[derive(Debug)]
pub(super) struct Need {
    a_queue: u64,
    total: u64,
    /// A capability makes the limit moot.
    exempt: bool,
}

impl Need {
    pub(super) fn of(plan: &Plan, program: &Program, streamed: bool) -> Self {
        let backend = streamed || is_backend(&program.path);
        let a_queue = if backend { BACKEND_QUEUE } else { QEMU_QUEUE };
        let total = plan.targets.iter().map(|target| bytes(target, a_queue)).sum();
        Self { a_queue, total, exempt: limits::exempt(&program.path) }
    }

    fn enough(&self) -> bool {
        self.exempt || limits::memlock().0.is_none_or(|limit| limit >= self.total)
    }

    /// Whether the helper has to raise the limit. The soft limit is raised here first, as far as the hard one.
    pub(super) fn must_be_raised(&self, endpoint: &Endpoint, plan: &Plan) -> Result<bool, Error> {
        if self.enough() {
            return Ok(false);
        }
        limits::raise_memlock().map_err(|errno| Error::system("setrlimit", errno))?;
        if self.enough() {
            return Ok(false);
        }
        // Ask before anything is attached: on many NICs an attach and a detach reset the link.
        for target in &plan.targets {
            match check(endpoint, &target.request) {
                Ok(verdict) if verdict.memlock_max < self.total => {
                    return Err(self.short(&policy_says(verdict.memlock_max)));
                }
                Ok(_) => {}
                // What is busy now may be waited for.
                Err(error) if matches!(error.kind, Kind::Refused(Code::Busy | Code::Limit)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The request for `target`, with what it locks where the helper is to raise the limit.
    pub(super) fn declare(&self, raise: bool, target: &Target) -> Request {
        let request = target.request.clone();
        if raise { request.memlock(bytes(target, self.a_queue)) } else { request }
    }

    /// Whether the limit is enough now that everything is granted.
    pub(super) fn check_after(&self, held: &[Held]) -> Result<(), Error> {
        if self.enough() {
            return Ok(());
        }
        let raised = held.iter().map(|held| held.lease.granted.memlock.limit).max().unwrap_or(0);
        Err(self.short(&match raised {
            0 => "the helper could not raise it (it has no CAP_SYS_RESOURCE)".to_owned(),
            raised => format!("the helper raised it to {} only", kib(raised)),
        }))
    }

    fn short(&self, helper: &str) -> Error {
        let has = limits::memlock().1.unwrap_or(u64::MAX);
        let (need, has) = (self.total, kib(has));
        let message =
            format!("the locked-memory limit is too low: {} needed, {has} allowed, and {helper}", kib(need));
        Error::new(Kind::Memlock, "RLIMIT_MEMLOCK", message).hint(format!(
            "for this shell: sudo prlimit --pid $$ --memlock={need}:{need}; for a user: echo \"$USER - memlock {}\" \
             | sudo tee /etc/security/limits.d/xsk.conf, and log in again; for a unit: LimitMEMLOCK={need}; by the \
             policy: memlock_mib = {}",
            need.div_ceil(1024),
            need.div_ceil(MIB)
        ))
    }
}

fn policy_says(most: u64) -> String {
    match most {
        0 => "the policy does not let the helper raise it".to_owned(),
        most => format!("the policy lets the helper raise it to {} at most", kib(most)),
    }
}

fn bytes(target: &Target, a_queue: u64) -> u64 {
    // A program that finds its netdev in the environment is not known; the limit is its own affair.
    if target.is_argument() { a_queue * u64::from(target.netdev().options().queues) } else { 0 }
}

fn kib(bytes: u64) -> String {
    if bytes % MIB == 0 { format!("{} MiB", bytes / MIB) } else { format!("{} KiB", bytes.div_ceil(1024)) }
}
