// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locked memory. With too little of it `XDP_UMEM_REG` fails, and QEMU then dies of a double free
//! instead of reporting it. So the limit must be right before QEMU starts. The kernel charges a
//! UMEM to the real uid, over all its processes (`xdp_umem_account_pages`, net/xdp/xdp_umem.c); the
//! rings are not charged.

use xsk_client::{Endpoint, Error, Kind, check};
use xsk_command::{say, waiting};
use xsk_proto::Code;

use super::leased::Leased;
use super::plan::Plan;
use super::target::Target;
use crate::outcome::PROGRAM;
use crate::programs::Consumer;
use crate::qemu::QEMU_QUEUE;
use crate::sys::limits;

const MIB: u64 = 1 << 20;

/// A frame of a UMEM.
const FRAME: u64 = 4096;

/// Bytes that a queue locks.
#[derive(Debug, Clone, Copy)]
struct Queue {
    /// With less its program fails.
    least: u64,
    /// What it takes where there is room.
    most: u64,
}

const QEMU: Queue = Queue { least: QEMU_QUEUE, most: QEMU_QUEUE };

/// 112 to 896 frames (`--frames`).
const BACKEND: Queue = Queue { least: 112 * FRAME, most: 896 * FRAME };

/// The least that is locked for any other program: what it needs is not known.
const UNKNOWN: Queue = Queue { least: 0, most: 0 };

/// How many guests of one user find room in a limit.
const GUESTS: u64 = 8;

/// What one guest behind a backend may lock of a limit: a UMEM cannot grow or shrink, so the first
/// one must not take what the next ones need.
fn fair(limit: u64) -> u64 {
    (limit / GUESTS).max(MIB)
}

/// How many guests behind a backend, with a queue each, find room in a limit.
pub(crate) fn guests(limit: u64) -> u64 {
    let one = fair(limit).min(BACKEND.most);
    limit / (one - one % MIB)
}

/// Who locks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Qemu,
    /// Uses what there is, and reports it if that is too little.
    Backend,
    /// A backend behind QEMU, whose report nobody would see: it is told how much it may use.
    Streamed,
    /// A program that may report itself what it lacks.
    Other,
}

/// What the command will lock.
#[derive(Debug)]
pub(super) struct Need {
    who: Who,
    queue: Queue,
    queues: u64,
    /// `--memlock` says it, for all leases.
    declared: bool,
    /// A capability lifts the limit.
    exempt: bool,
}

impl Need {
    /// `declared`: what the user says that the command locks.
    pub(super) fn of(
        plan: &Plan,
        consumer: &Consumer,
        streamed: bool,
        declared: Option<u64>,
    ) -> Self {
        let (who, queue) = match (streamed, consumer) {
            (true, _) => (Who::Streamed, BACKEND),
            (false, Consumer::Backend(_)) => (Who::Backend, BACKEND),
            (false, Consumer::Qemu(_)) => (Who::Qemu, QEMU),
            (false, Consumer::Other(_)) => (Who::Other, UNKNOWN),
        };
        let queues =
            plan.targets.iter().map(|target| queues(target, declared.is_some())).sum::<u64>();
        let queue = declared.map_or(queue, |bytes| {
            let share = bytes.div_ceil(queues.max(1));
            Queue { least: share, most: share }
        });
        let exempt = limits::exempt(consumer.path());
        Self { who, queue, queues, declared: declared.is_some(), exempt }
    }

    fn total(&self) -> u64 {
        self.queue.least * self.queues
    }

    /// Whether the limit has room for it beside `others` bytes.
    fn enough(&self, others: u64) -> bool {
        self.exempt
            || limits::memlock().0.is_none_or(|limit| limit >= self.total().saturating_add(others))
    }

    /// What each queue may lock beside `others` bytes; nothing where no limit counts.
    fn share(&self, others: u64) -> Option<u64> {
        let limit = limits::memlock().0.filter(|_| !self.exempt)?;
        let free = limit.saturating_sub(others);
        let room = if self.who == Who::Streamed { free.min(fair(limit)) } else { free };
        let share = (room / self.queues.max(1)).clamp(self.queue.least, self.queue.most);
        // The helper counts in MiB: a part of one would be missing to the next.
        let whole = self.who == Who::Streamed && share > MIB;
        Some(if whole { share - share % MIB } else { share })
    }

    /// Refuses what cannot be had, before anything is acquired. The soft limit is raised here as
    /// far as the hard one; what is needed beyond that the helper has to raise.
    pub(super) fn check_before(&self, endpoint: &Endpoint, plan: &Plan) -> Result<(), Error> {
        if self.enough(0) {
            return Ok(());
        }
        limits::raise_memlock().map_err(|errno| Error::system("setrlimit", errno))?;
        if self.enough(0) || self.who == Who::Other {
            return Ok(());
        }
        // Ask before anything is attached: on many NICs an attach and a detach reset the link.
        for target in &plan.targets {
            match waiting(PROGRAM, "the helper's answer", || check(endpoint, &target.request)) {
                Ok(verdict) if verdict.memlock_max < self.total() => {
                    return Err(self.short(0, &policy_says(verdict.memlock_max)));
                }
                Ok(_) => {}
                // What is busy now may be waited for.
                Err(error) if matches!(error.kind, Kind::Refused(Code::Busy | Code::Limit)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What `target` locks, in bytes, to be declared with its request: the helper adds up what all
    /// leases of the user lock, and raises the limit as far as the policy lets it.
    pub(super) fn declared(&self, target: &Target) -> u64 {
        if self.exempt {
            0
        } else {
            self.share(0).unwrap_or(self.queue.most) * queues(target, self.declared)
        }
    }

    /// Whether the limit is enough now that everything is granted.
    pub(super) fn check_after(&self, held: &[Leased]) -> Result<(), Error> {
        let others = if self.who == Who::Backend { 0 } else { others(held) };
        if !self.enough(others) {
            // As far as the hard limit, which may be enough where the soft one was for this command
            // alone.
            limits::raise_memlock().map_err(|errno| Error::system("setrlimit", errno))?;
        }
        if self.enough(others) {
            return Ok(());
        }
        let short = self.short_after(others, held);
        if self.who != Who::Other {
            return Err(short);
        }
        say(PROGRAM, &format!("warning: {short}; {}", short.hint));
        Ok(())
    }

    /// A program that is not known may need less than QEMU, or more.
    pub(super) fn warn_unknown(&self) {
        let usual = QEMU.most * self.queues;
        let limit = limits::memlock().0.filter(|limit| *limit < usual && !self.exempt);
        if let (Who::Other, false, Some(limit)) = (self.who, self.declared, limit) {
            let text = format!(
                "warning: the command may lock {}, where QEMU would need {}; if it needs more, say so: \
                 xsk-client run --memlock SIZE",
                kib(limit),
                kib(usual)
            );
            say(PROGRAM, &text);
        }
    }

    fn short_after(&self, others: u64, held: &[Leased]) -> Error {
        let raised = held.iter().map(|held| held.lease.granted.memlock.limit).max().unwrap_or(0);
        self.short(
            others,
            &match raised {
                0 => "the helper could not raise it (no memlock_mib in the policy, or no CAP_SYS_RESOURCE)"
                    .to_owned(),
                raised => format!("the helper raised it to {} only", kib(raised)),
            },
        )
    }

    /// The frames that each queue of a backend may have, where a limit counts.
    pub(super) fn frames(&self, held: &[Leased]) -> Option<u64> {
        self.share(others(held)).map(|bytes| bytes / FRAME)
    }

    fn short(&self, others: u64, helper: &str) -> Error {
        let has = limits::memlock().1.unwrap_or(u64::MAX);
        let need = self.total().saturating_add(others);
        let beside = if others > 0 {
            format!(" ({} of it for your other leases)", kib(others))
        } else {
            String::new()
        };
        // For more than this one start.
        let room = (need * 2).next_power_of_two().max(MIB);
        let message = format!(
            "the locked-memory limit is too low: {} needed{beside}, {} allowed, and {helper}",
            kib(need),
            kib(has)
        );
        Error::new(Kind::Memlock, "RLIMIT_MEMLOCK", message).hint(format!(
            "for this shell: sudo prlimit --pid $$ --memlock={room}:{room}; for a user: echo \"$USER - memlock {}\" \
             | sudo tee /etc/security/limits.d/xsk.conf, and log in again; for a unit: LimitMEMLOCK={room}; by the \
             policy: memlock_mib = {}",
            room / 1024,
            room / MIB
        ))
    }
}

fn policy_says(most: u64) -> String {
    match most {
        0 => "the policy does not let the helper raise it".to_owned(),
        most => format!("the policy lets the helper raise it to {} at most", kib(most)),
    }
}

/// What other leases of the user lock, in bytes. The helper counts in MiB.
fn others(held: &[Leased]) -> u64 {
    let leased = held.iter().map(|held| held.lease.granted.memlock.leased).max().unwrap_or(0);
    leased.saturating_sub(held.iter().map(|held| held.declared.next_multiple_of(MIB)).sum())
}

/// A program that finds its netdev in the environment is not known; unless it is declared the limit
/// is its own affair.
fn queues(target: &Target, declared: bool) -> u64 {
    if target.is_argument() || declared { target.netdev().options().queues.into() } else { 0 }
}

fn kib(bytes: u64) -> String {
    if bytes % MIB == 0 {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} KiB", bytes.div_ceil(1024))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shared_by_several_guests() {
        assert_eq!((guests(64 << 10), guests(MIB), guests(8 * MIB)), (0, 1, 8));
        assert_eq!((guests(24 * MIB), guests(64 * MIB)), (8, 21));
    }
}
