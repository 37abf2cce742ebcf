// SPDX-License-Identifier: MIT OR Apache-2.0
//! For tests: a system call made in a process of its own, since it may be that process's end.

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, after the call or by it.
    Exited,
    /// By the list of system calls.
    Killed,
}

/// Forks, and has the child `prepare` itself, make this call with these arguments, and end.
/// The child shares the locks of a process with several threads: `prepare` must not allocate.
pub(crate) fn call(prepare: impl FnOnce() -> bool, number: i64, arguments: [u64; 6]) -> End {
    const UNPREPARED: i32 = 77;
    // SAFETY: the child makes system calls only, and ends without running anything of the parent's.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        if !prepare() {
            // SAFETY: ends the child.
            unsafe { libc::_exit(UNPREPARED) };
        }
        let [a, b, c, d, e, f] = arguments;
        // SAFETY: the callers pass no argument that is a valid address, so the kernel writes
        // nowhere.
        unsafe { libc::syscall(number, a, b, c, d, e, f) };
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is there to be written to.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child, "waitpid: {}", std::io::Error::last_os_error());
    assert!(
        !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != UNPREPARED,
        "the list was not installed"
    );
    if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSYS {
        End::Killed
    } else {
        End::Exited
    }
}
