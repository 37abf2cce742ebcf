// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the kernel schedules the process. Users set all of this for their own processes, and a
//! setuid program inherits it: a starved helper would keep others waiting behind the kernel's
//! locks.
//!
//! No call here returns an error. What a process may not change, its limits and its manager have
//! set.

use std::fs;

/// What an ordinary process has, in nanoseconds. With 0 the kernel takes what the parent had.
const TIMER_SLACK: libc::c_ulong = 50_000;
/// `who` of ioprio_set(2): a single process.
const IOPRIO_WHO_PROCESS: libc::c_int = 1;
/// Minimum and maximum utilisation are given, in flags of `struct sched_attr`.
const UTIL_CLAMP: u64 = 0x60;
/// The highest utilisation.
const UTIL_MOST: u32 = 1024;
/// Room for the processors of any machine: the kernel takes those that exist.
const PROCESSORS: usize = 8192;

/// `struct sched_attr` of sched_setattr(2). All zero is SCHED_OTHER at nice 0, with no slice of its
/// own.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

/// Resets everything to what a fresh process has.
pub(crate) fn reset() {
    // Before Linux 5.3, and where the kernel is built without clamps, the flag is an error.
    if !set_attributes(UTIL_CLAMP) {
        set_attributes(0);
    }
    run_anywhere();
    // SAFETY: the option takes a number.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, TIMER_SLACK, 0, 0, 0) };
    // SAFETY: takes numbers; priority 0 is the class "none".
    unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0) };
    let _ = fs::write("/proc/self/oom_score_adj", "0");
}

/// Until [`reset`] the process is scheduled before every ordinary one, and no quota of its control
/// group counts for it. For what takes locks that the whole machine waits for, and no longer.
pub(crate) fn hurry() {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: the structure outlives the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) };
}

fn set_attributes(flags: u64) -> bool {
    let size = size_of::<Attributes>() as u32;
    let attributes = Attributes { size, flags, util_max: UTIL_MOST, ..Default::default() };
    // SAFETY: the structure outlives the call, and says its own size.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attributes, 0) == 0 }
}

/// On every processor, and with memory of every node.
fn run_anywhere() {
    let all = [u8::MAX; PROCESSORS / 8];
    // SAFETY: the mask is as long as is said, and outlives the call.
    unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, all.len(), all.as_ptr()) };
    let nodes: *const libc::c_ulong = std::ptr::null();
    // SAFETY: the default policy takes no nodes.
    unsafe { libc::syscall(libc::SYS_set_mempolicy, libc::MPOL_DEFAULT, nodes, 0) };
}
