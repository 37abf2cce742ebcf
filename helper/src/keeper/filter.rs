// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls of a keeper, each with its reason. Anything else kills it, and the kernel then
//! gives its locks back as at any end.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::Failure;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Which argument of sendto(2) is the address, and which of mmap(2) the protection.
const ADDRESS: u8 = 4;
const PROTECTION: u8 = 2;

/// System calls that are allowed whatever their arguments.
const PLAIN: &[i64] = &[
    libc::SYS_ppoll,           // waits for the end of the lease
    libc::SYS_recvfrom,        // drains the connection, reads link events
    libc::SYS_read,            // signalfd
    libc::SYS_clock_nanosleep, // waits for the interface's lock
    libc::SYS_clock_gettime, // the time, where the vDSO cannot tell it (a clock source such as hpet or acpi_pm)
    libc::SYS_unlinkat,      // pins and the lease's text (as rmdir too)
    libc::SYS_close,         // the kernel objects
    libc::SYS_munmap,        // memory
    libc::SYS_mremap,        // memory
    libc::SYS_brk,           // memory
    libc::SYS_madvise,       // memory
    libc::SYS_futex,         // the C library's locks
    libc::SYS_restart_syscall, // after a stop and a continue
    libc::SYS_rt_sigreturn,  // the same
    libc::SYS_exit_group,    // the end
];

/// The same under their older names, which not every architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_poll,   // ppoll
    libc::SYS_unlink, // unlinkat
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What stopping at a failpoint takes.
#[cfg(feature = "failpoints")]
const FAILPOINT_CALLS: &[i64] = &[libc::SYS_kill, libc::SYS_getpid];
#[cfg(not(feature = "failpoints"))]
const FAILPOINT_CALLS: &[i64] = &[];

/// The bpf() commands of the end of a lease (include/uapi/linux/bpf.h, `enum bpf_cmd`). None opens
/// an object: whatever the end needs is open.
const BPF: &[u64] = &[
    3,  // BPF_MAP_DELETE_ELEM: the queues leave the map
    10, // BPF_PROG_TEST_RUN: reads the slots
    15, // BPF_OBJ_GET_INFO_BY_FD: the map's size, the link's interface
    34, // BPF_LINK_DETACH: the program leaves the interface
];

/// The command for sockets that are not in the map yet: BPF_MAP_UPDATE_ELEM.
const BPF_DEFERRED_INSERT: u64 = 2;

/// The fcntl() commands: record locks, and what closing in debug builds of the standard library
/// asks.
const FCNTL: &[u64] = &[
    libc::F_SETLK as u64, // gives a queue back, takes the interface's lock
    libc::F_GETLK as u64, // who holds a queue
    libc::F_GETFD as u64, // is it open
];

/// The ioctl() command.
const IOCTL: &[u64] = &[
    libc::TIOCOUTQ, // whether the client has received his sockets
];

/// What differs from one keeper to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    /// Sockets wait for their consumer.
    pub(crate) deferred_insert: bool,
    /// The log's descriptor, if the log is no socket.
    pub(crate) log: RawFd,
}

/// Puts the list into force.
pub(crate) fn install(needs: Needs) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::sys("installing the seccomp list", error.to_string())
    };
    let program = program(needs).map_err(|error| failed(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(&error))
}

fn program(needs: Needs) -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: Rules =
        PLAIN.iter().chain(OLDER).chain(FAILPOINT_CALLS).map(|call| (*call, Vec::new())).collect();
    let deferred = needs.deferred_insert.then_some(BPF_DEFERRED_INSERT);
    let commands: Vec<u64> = BPF.iter().copied().chain(deferred).collect();
    rules.insert(libc::SYS_bpf, one_of(&commands, 0)?);
    rules.insert(libc::SYS_fcntl, one_of(FCNTL, 1)?);
    rules.insert(libc::SYS_ioctl, one_of(IOCTL, 1)?);
    // The log if it is no socket. Nothing is written to a lock file.
    rules.insert(libc::SYS_write, one_of(&[needs.log as u64], 0)?);
    // Events to the client, the log, questions to rtnetlink: only to what the descriptor is
    // connected to.
    rules.insert(
        libc::SYS_sendto,
        vec![rule(ADDRESS, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?],
    );
    // Memory, and none of it code. mremap(2) changes no protection.
    let no_code = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    rules.insert(libc::SYS_mmap, vec![rule(PROTECTION, SeccompCmpArgLen::Dword, no_code, 0)?]);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?;
    Ok(filter.try_into()?)
}

/// One rule a value of the argument.
fn one_of(values: &[u64], index: u8) -> Result<Vec<SeccompRule>, BackendError> {
    values
        .iter()
        .map(|value| rule(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value))
        .collect()
}

fn rule(
    index: u8,
    len: SeccompCmpArgLen,
    how: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(index, len, how, value)?])
}

#[cfg(test)]
mod tests {
    //! Both ways: what is listed may be called, anything else kills. Every number is tried, so that
    //! neither this list nor the other can be forgotten.

    use nix::sys::signal::Signal;
    use nix::sys::wait::WaitStatus;

    use super::*;
    use crate::sys::trial;

    /// More than any architecture has by now. rt_sigreturn is left out: with no signal to return
    /// from it goes on somewhere, and whatever is there decides.
    const NUMBERS: std::ops::Range<i64> = 0..600;
    /// uretprobe and uprobe on x86: the kernel lets them pass by any list, since they come from
    /// code that it has put there itself, and do nothing elsewhere (kernel/seccomp.c).
    const PROBES: &[i64] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };
    const NEEDS: Needs = Needs { deferred_insert: false, log: 2 };
    /// No file descriptor, no address, no command.
    const NONSENSE: u64 = u64::MAX;

    fn is_killed(number: i64, arguments: [u64; 6]) -> bool {
        is_killed_with(NEEDS, number, arguments)
    }

    fn is_killed_with(needs: Needs, number: i64, arguments: [u64; 6]) -> bool {
        let program = program(needs).unwrap();
        let prepare = || seccompiler::apply_filter(&program).is_ok();
        match trial::call(prepare, number, arguments) {
            WaitStatus::Signaled(_, Signal::SIGSYS, _) => true,
            // An exit that was asked for has the status that was asked for.
            WaitStatus::Exited(_, 255) if number == libc::SYS_exit_group => false,
            WaitStatus::Exited(_, 0) => false,
            other => panic!("call {number}: {other:?}"),
        }
    }

    fn with_argument(index: usize, value: u64) -> [u64; 6] {
        let mut arguments = [NONSENSE; 6];
        arguments[index] = value;
        arguments
    }

    #[test]
    fn a_call_that_is_not_listed_kills_and_one_that_is_does_not() {
        let listed: Vec<i64> = PLAIN.iter().chain(OLDER).chain(FAILPOINT_CALLS).copied().collect();
        for number in
            NUMBERS.filter(|number| !PROBES.contains(number) && *number != libc::SYS_rt_sigreturn)
        {
            let killed = is_killed(number, [NONSENSE; 6]);
            assert_eq!(killed, !listed.contains(&number), "call {number}");
        }
    }

    #[test]
    fn calls_that_an_intruder_would_want_kill() {
        let wanted = [
            ("socket", libc::SYS_socket),
            ("connect", libc::SYS_connect),
            ("sendmsg", libc::SYS_sendmsg),
            ("recvmsg", libc::SYS_recvmsg),
            ("openat", libc::SYS_openat),
            ("execve", libc::SYS_execve),
            ("clone", libc::SYS_clone),
            ("ptrace", libc::SYS_ptrace),
            ("process_vm_readv", libc::SYS_process_vm_readv),
            ("setresuid", libc::SYS_setresuid),
            ("capset", libc::SYS_capset),
            ("kill", libc::SYS_kill),
            ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
            ("mprotect", libc::SYS_mprotect),
            ("ioctl", libc::SYS_ioctl),
            ("unshare", libc::SYS_unshare),
            ("mount", libc::SYS_mount),
            ("prctl", libc::SYS_prctl),
            ("seccomp", libc::SYS_seccomp),
            ("io_uring_setup", libc::SYS_io_uring_setup),
        ];
        for (name, number) in wanted {
            // The build with failpoints has kill(2) for them.
            assert!(
                FAILPOINT_CALLS.contains(&number) || is_killed(number, [NONSENSE; 6]),
                "{name}"
            );
        }
    }

    /// The kernel looks at the lower half of both numbers only, and so does the list.
    #[test]
    fn of_bpf_and_fcntl_the_listed_commands_alone_survive() {
        for command in 0..64 {
            let killed = is_killed(libc::SYS_bpf, with_argument(0, command));
            assert_eq!(killed, !BPF.contains(&command), "bpf command {command}");
        }
        for command in (0..64).chain(1024..1048) {
            let killed = is_killed(libc::SYS_fcntl, with_argument(1, command));
            assert_eq!(killed, !FCNTL.contains(&command), "fcntl command {command}");
        }
        assert!(is_killed(libc::SYS_bpf, [NONSENSE; 6]));
        let update = with_argument(0, BPF_DEFERRED_INSERT);
        assert!(!is_killed_with(Needs { deferred_insert: true, ..NEEDS }, libc::SYS_bpf, update));
    }

    #[test]
    fn memory_is_never_code() {
        let code = libc::PROT_EXEC as u64;
        for protection in 0..8 {
            let killed = is_killed(libc::SYS_mmap, with_argument(2, protection));
            assert_eq!(killed, protection & code != 0, "protection {protection}");
        }
        assert!(is_killed(libc::SYS_mmap, with_argument(2, 1 << 32 | code)));
    }

    #[test]
    fn nothing_is_written_but_the_log_and_nothing_sent_by_address() {
        for fd in 0..8 {
            assert_eq!(
                is_killed(libc::SYS_write, with_argument(0, fd)),
                fd != 2,
                "descriptor {fd}"
            );
        }
        assert!(!is_killed(libc::SYS_sendto, with_argument(4, 0)));
        for address in [1, 1 << 32, NONSENSE] {
            assert!(is_killed(libc::SYS_sendto, with_argument(4, address)), "{address:x}");
        }
    }

    /// The same calls by the numbers of the x32 ABI, which a kernel may offer beside its own.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn another_abi_is_no_way_around() {
        const X32: i64 = 0x4000_0000;
        assert!(
            [libc::SYS_read, libc::SYS_write, libc::SYS_socket]
                .iter()
                .all(|n| is_killed(X32 | n, [NONSENSE; 6]))
        );
    }
}
