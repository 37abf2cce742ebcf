// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls of a vhost-user device at work, each with its reason. Anything else ends the
//! process: no program is started, no file opened, no memory made executable, and no socket made
//! but a unix socket where it connects.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::Role;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// System calls that are allowed whatever their arguments.
const PLAIN: &[i64] = &[
    libc::SYS_ppoll,             // waits of the main thread, the service and the queues
    libc::SYS_epoll_pwait,       // kicks
    libc::SYS_epoll_ctl,         // kicks come and go
    libc::SYS_read,              // our own events and signals
    libc::SYS_write,             // events, what is printed, notifications
    libc::SYS_writev,            // what is printed
    libc::SYS_recvmsg,           // messages with descriptors, news of the lease
    libc::SYS_recvfrom,          // news of the lease; wakes a zero-copy driver
    libc::SYS_sendmsg,           // answers
    libc::SYS_sendto,            // wakes the kernel for the transmit ring
    libc::SYS_accept4,           // the next front end
    libc::SYS_getsockopt,        // XDP_STATISTICS, SO_ERROR, whose connection it is
    libc::SYS_fstat,             // the size of memory
    libc::SYS_newfstatat,        // the same by another name
    libc::SYS_statx,             // the same by another name
    libc::SYS_readlinkat,        // the kind of a descriptor
    libc::SYS_close,             // what came
    libc::SYS_munmap,            // memory
    libc::SYS_mremap,            // memory
    libc::SYS_brk,               // memory
    libc::SYS_madvise,           // guest memory is not dumped
    libc::SYS_futex,             // locks
    libc::SYS_clock_nanosleep,   // waits
    libc::SYS_clock_gettime,     // the time, where the vDSO cannot tell it
    libc::SYS_sched_yield,       // locks
    libc::SYS_sched_getaffinity, // the C library's allocator asks how many processors there are
    libc::SYS_getrandom,         // hash tables
    libc::SYS_gettid,            // a thread's number, for the watch
    libc::SYS_getpid,            // this process's, for the same
    libc::SYS_rt_sigreturn,      // signals
    libc::SYS_rt_sigprocmask,    // a thread that ends
    libc::SYS_sigaltstack,       // a thread that ends
    libc::SYS_restart_syscall,   // after a stop and a continue
    libc::SYS_exit,              // the end of a thread
    libc::SYS_exit_group,        // the end
];

/// The same under their older names, which not every architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_poll,       // ppoll
    libc::SYS_epoll_wait, // epoll_pwait
    libc::SYS_readlink,   // readlinkat
    libc::SYS_nanosleep,  // clock_nanosleep
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[libc::SYS_nanosleep];

/// The fcntl() commands.
const FCNTL: &[u64] = &[
    1034,                 // F_GET_SEALS: what guest memory is
    libc::F_GETFD as u64, // what closing in debug builds of the standard library asks
    libc::F_GETFL as u64, // the same
];

/// Puts the list into force for every thread of the process.
pub(super) fn install(role: Role) -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&program(role, std::process::id())?)
}

fn program(role: Role, process: u32) -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: Rules = PLAIN.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_fcntl, any_of(FCNTL, 1)?);
    rules.insert(libc::SYS_tgkill, any_of(&[process.into()], 0)?);
    rules.insert(libc::SYS_mmap, not_executable()?);
    rules.insert(libc::SYS_mprotect, not_executable()?);
    if role == Role::Client {
        rules.insert(libc::SYS_socket, any_of(&[libc::AF_UNIX as u64], 0)?);
        rules.insert(libc::SYS_connect, Vec::new());
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?;
    Ok(filter.try_into()?)
}

/// One rule a value of the argument.
fn any_of(values: &[u64], index: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |value: &u64| {
        let condition =
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value)?;
        SeccompRule::new(vec![condition])
    };
    values.iter().map(rule).collect()
}

/// The third argument, the protection, is without PROT_EXEC.
fn not_executable() -> Result<Vec<SeccompRule>, BackendError> {
    let without = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    let condition = SeccompCondition::new(2, SeccompCmpArgLen::Dword, without, 0)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

#[cfg(test)]
mod tests {
    //! Both ways: what is listed may be called, anything else ends the process. Every number is
    //! tried.

    use super::*;
    use crate::sys::trial::{End, call};

    /// More than any architecture has by now. rt_sigreturn is left out: with no signal to return
    /// from it goes on somewhere; so is restart_syscall, which waits for what was interrupted.
    const NUMBERS: std::ops::Range<i64> = 0..600;
    /// uretprobe and uprobe on x86: the kernel lets them pass by any list (kernel/seccomp.c).
    const PROBES: &[i64] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };
    const NONSENSE: u64 = u64::MAX;

    fn is_killed(role: Role, number: i64, arguments: [u64; 6]) -> bool {
        let program = program(role, 1).unwrap();
        call(|| seccompiler::apply_filter(&program).is_ok(), number, arguments) == End::Killed
    }

    fn with(index: usize, value: u64) -> [u64; 6] {
        let mut arguments = [NONSENSE; 6];
        arguments[index] = value;
        arguments
    }

    #[test]
    fn a_call_that_is_not_listed_kills_and_one_that_is_does_not() {
        let skip = [libc::SYS_rt_sigreturn];
        for number in NUMBERS.filter(|number| !PROBES.contains(number) && !skip.contains(number)) {
            let listed = PLAIN.contains(&number) || OLDER.contains(&number);
            assert_eq!(is_killed(Role::Server, number, [NONSENSE; 6]), !listed, "call {number}");
        }
    }

    #[test]
    fn nothing_is_made_executable() {
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            for protection in 0..16 {
                let killed = is_killed(Role::Server, call, with(2, protection));
                assert_eq!(killed, protection & 4 != 0, "call {call}, protection {protection}");
            }
        }
    }

    #[test]
    fn a_client_makes_unix_sockets_alone_and_a_server_none() {
        for family in 0..46 {
            let killed = is_killed(Role::Client, libc::SYS_socket, with(0, family));
            assert_eq!(killed, family != libc::AF_UNIX as u64, "family {family}");
            assert!(is_killed(Role::Server, libc::SYS_socket, with(0, family)));
        }
        assert!(!is_killed(Role::Client, libc::SYS_connect, [NONSENSE; 6]));
    }

    #[test]
    fn of_fcntl_and_tgkill_the_listed_uses_alone_survive() {
        for command in (0..64).chain(1024..1048) {
            let killed = is_killed(Role::Server, libc::SYS_fcntl, with(1, command));
            assert_eq!(killed, !FCNTL.contains(&command), "fcntl command {command}");
        }
        assert!(is_killed(Role::Server, libc::SYS_tgkill, with(0, 2)));
        assert!(!is_killed(Role::Server, libc::SYS_tgkill, with(0, 1)));
    }

    #[test]
    fn calls_that_an_intruder_would_want_kill() {
        let wanted = [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_openat,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_bind,
            libc::SYS_setsockopt,
            libc::SYS_ioctl,
            libc::SYS_kill,
            libc::SYS_prctl,
            libc::SYS_seccomp,
            libc::SYS_unlinkat,
            libc::SYS_memfd_create,
            libc::SYS_io_uring_setup,
        ];
        wanted
            .into_iter()
            .for_each(|call| assert!(is_killed(Role::Client, call, [NONSENSE; 6]), "{call}"));
    }
}
