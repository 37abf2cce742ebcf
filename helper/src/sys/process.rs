// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process can change about itself: descriptors, environment, signals, limits, and how it
//! ends.

use std::ffi::CStr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::check;

/// Closes every descriptor above 2, whatever it is and however many there are.
pub(crate) fn close_all_but_standard() -> io::Result<()> {
    // SAFETY: called before this process has made a descriptor of its own, so it closes nobody's.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) } as libc::c_int)
        .map(drop)
}

/// Takes descriptor 0, the connection that the process was started with, into ownership.
pub(crate) fn take_standard_input() -> OwnedFd {
    // SAFETY: called once, at the start, where nothing else owns descriptor 0; the standard
    // library's own handle does not close it.
    unsafe { OwnedFd::from_raw_fd(0) }
}

/// Empties the environment.
pub(crate) fn clear_environment() {
    // SAFETY: called while the process has a single thread, so nobody reads the environment
    // meanwhile.
    unsafe { libc::clearenv() };
}

/// Cancels what alarm(2) and setitimer(2) of the caller's left running across the exec.
pub(crate) fn cancel_timers() {
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let off = libc::itimerval { it_interval: never, it_value: never };
    for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
        // SAFETY: `off` outlives the call, and no old value is asked for. (The C library declares
        // the first argument unsigned, the constants signed.)
        unsafe { libc::setitimer(timer as _, &off, std::ptr::null_mut()) };
    }
}

/// Forks. The caller has one thread; each side says which one it is.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the process has a single thread, so the child may go on as the parent could.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        _ => Ok(Fork::Parent),
    }
}

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    Parent,
    Child,
}

/// Ends the process at once, with nothing run on the way out.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(status) }
}

/// Gives freed memory back to the kernel: a keeper lives long and needs next to nothing.
pub(crate) fn trim_memory() {
    // SAFETY: the allocator's own call, with no argument that could be wrong.
    unsafe { libc::malloc_trim(0) };
}

/// Raises the soft limits that the caller may have made tiny, as far as the hard ones allow; a core
/// is never written. Returns the names of the limits that are too small to work with.
pub(crate) fn reset_limits() -> Vec<&'static str> {
    let needed: [(_, _, u64); 6] = [
        (libc::RLIMIT_NOFILE, "RLIMIT_NOFILE", 320),
        (libc::RLIMIT_FSIZE, "RLIMIT_FSIZE", 1 << 20),
        (libc::RLIMIT_DATA, "RLIMIT_DATA", 64 << 20),
        (libc::RLIMIT_AS, "RLIMIT_AS", 256 << 20),
        (libc::RLIMIT_STACK, "RLIMIT_STACK", 1 << 20),
        (libc::RLIMIT_CPU, "RLIMIT_CPU", 60),
    ];
    // Descriptors under way to clients count against it too, those of all helpers together.
    raise_to_hard(libc::RLIMIT_NOFILE);
    let small = needed.into_iter().filter(|(limit, _, least)| !raise_limit(*limit, *least));
    let small = small.map(|(_, name, _)| name).collect();
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` outlives the call.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
    small
}

fn raise_to_hard(limit: libc::__rlimit_resource_t) {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `now` outlives the call.
    if unsafe { libc::getrlimit(limit, &mut now) } == 0 {
        now.rlim_cur = now.rlim_max;
        // SAFETY: `now` outlives the call.
        unsafe { libc::setrlimit(limit, &now) };
    }
}

/// Makes the soft limit at least `least`, raising the hard one too where that is allowed.
fn raise_limit(limit: libc::__rlimit_resource_t, least: u64) -> bool {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `now` outlives the call.
    if unsafe { libc::getrlimit(limit, &mut now) } != 0 {
        return false;
    }
    if now.rlim_cur >= least {
        return true;
    }
    let wanted = libc::rlimit { rlim_cur: least, rlim_max: now.rlim_max.max(least) };
    // SAFETY: `wanted` outlives the call.
    unsafe { libc::setrlimit(limit, &wanted) == 0 }
}

/// `SIG_IGN`, or `SIG_DFL`, in the kernel's own `struct sigaction`, whose first word is the handler
/// and which is no longer than this. The rest is zero: no flag, no restorer, an empty mask.
type Action = [usize; 8];

/// Gives every signal its default action and unblocks all of them, whatever the caller had set;
/// SIGPIPE and SIGXFSZ stay ignored, so that a write answers EPIPE or EFBIG.
///
/// Ignored first, each of them: that is how the kernel forgets one that is pending, which would end
/// or stop the process once it is unblocked.
pub(crate) fn reset_signals() {
    for signal in 1..=KERNEL_SIGNALS {
        act(signal, libc::SIG_IGN);
        if !matches!(signal, libc::SIGPIPE | libc::SIGXFSZ) {
            act(signal, libc::SIG_DFL);
        }
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is large enough, and sigemptyset initialises it.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set was initialised above, and no old set is asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

/// The number of signals that the kernel has, those included that the C library keeps for itself.
const KERNEL_SIGNALS: libc::c_int = 64;

/// By the system call: the C library refuses to touch its own two signals, and a caller can leave
/// those pending too. The kernel refuses SIGKILL and SIGSTOP.
fn act(signal: libc::c_int, handler: libc::sighandler_t) {
    let mut action: Action = [0; 8];
    action[0] = handler;
    let none: *mut Action = std::ptr::null_mut();
    // SAFETY: the action outlives the call, is at least as long as the kernel's structure, and is
    // not a function.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &action, none, size_of::<u64>()) };
}

/// Returns whether the process is killed when its parent ends.
pub(crate) fn end_with_parent(whether: bool) -> io::Result<()> {
    let signal = if whether { libc::SIGKILL } else { 0 };
    // SAFETY: takes a signal's number, no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0, 0, 0) })
        .map(drop)
}

/// The name under which ps(1) shows the process.
pub(crate) fn set_name(name: &CStr) -> io::Result<()> {
    // SAFETY: the name ends with its zero, and the kernel reads no more than 16 bytes.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) }).map(drop)
}

/// Has the kernel reap the children, so that a listener never holds a zombie.
pub(crate) fn discard_children() {
    // SAFETY: the action is not a function.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}
