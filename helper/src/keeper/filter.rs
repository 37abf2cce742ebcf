// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls of a keeper, each with its reason. Anything else kills it, and the kernel then gives its
//! locks back as at any end.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::error::Failure;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// System calls that are allowed whatever their arguments.
const PLAIN: &[i64] = &[
    libc::SYS_ppoll,           // waits for the end of the lease
    libc::SYS_recvfrom,        // drains the connection, reads link events
    libc::SYS_sendto,          // events to the client, the log, questions to rtnetlink
    libc::SYS_read,            // signalfd
    libc::SYS_write,           // the log where there is no journald
    libc::SYS_clock_nanosleep, // waits for the interface's lock
    libc::SYS_unlinkat,        // pins and the lease's text (as rmdir too)
    libc::SYS_close,           // the kernel objects
    libc::SYS_utimensat,       // how long the program lingers
    libc::SYS_mmap,            // memory
    libc::SYS_munmap,          // memory
    libc::SYS_mremap,          // memory
    libc::SYS_brk,             // memory
    libc::SYS_madvise,         // memory
    libc::SYS_futex,           // the C library's locks
    libc::SYS_restart_syscall, // after a stop and a continue
    libc::SYS_rt_sigreturn,    // the same
    libc::SYS_exit_group,      // the end
];

/// The same under their older names, which not every architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_poll,   // ppoll
    libc::SYS_unlink, // unlinkat
    libc::SYS_rmdir,  // unlinkat
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What standing still takes, in the build for the test that wants it.
#[cfg(feature = "stops")]
const STOPS: &[i64] = &[libc::SYS_kill, libc::SYS_getpid];
#[cfg(not(feature = "stops"))]
const STOPS: &[i64] = &[];

/// The bpf() commands of the end of a lease (include/uapi/linux/bpf.h, `enum bpf_cmd`).
const BPF: &[u64] = &[
    3,  // BPF_MAP_DELETE_ELEM: the queues leave the map
    7,  // BPF_OBJ_GET: opens the pinned link
    10, // BPF_PROG_TEST_RUN: reads the slots
    15, // BPF_OBJ_GET_INFO_BY_FD: the map's size, the link's interface
    34, // BPF_LINK_DETACH: the program leaves the interface
];

/// The fcntl() commands: record locks, and what closing in debug builds of the standard library asks.
const FCNTL: &[u64] = &[
    libc::F_SETLK as u64,         // gives a queue back, takes the interface's lock
    libc::F_GETLK as u64,         // who holds a queue
    libc::F_GETFD as u64,         // is it open
    libc::F_DUPFD_CLOEXEC as u64, // libbpf moves what it opened above the streams, and descriptor 0 is free by then
];

/// Puts the list into force.
pub(crate) fn install() -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::internal("installing the seccomp list", error.to_string());
    let program = program().map_err(|error| failed(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(&error))
}

fn program() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: Rules = PLAIN.iter().chain(OLDER).chain(STOPS).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_bpf, first_argument(BPF, 0)?);
    rules.insert(libc::SYS_fcntl, first_argument(FCNTL, 1)?);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?;
    Ok(filter.try_into()?)
}

/// One rule a value of the argument.
fn first_argument(values: &[u64], index: u8) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let rule = |value: &u64| {
        let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value)?;
        SeccompRule::new(vec![condition])
    };
    values.iter().map(rule).collect()
}
