// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lab's only unsafe code: what a child does between fork and exec, credentials of a single
//! thread, and packet sockets.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub(super) mod trace;

use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use caps::{CapSet, Capability, CapsHashSet};
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{Resource, setrlimit};

/// What a child is to become before it executes its program.
#[derive(Debug, Default, Clone)]
pub(super) struct Entry {
    pub(super) netns: Option<RawFd>,
    pub(super) ids: Option<Ids>,
    pub(super) ambient: Vec<Capability>,
    pub(super) bounding: Option<Vec<Capability>>,
    pub(super) rlimits: Vec<(Resource, u64)>,
    pub(super) inherit: Vec<RawFd>,
    pub(super) close: Vec<RawFd>,
    pub(super) no_new_privs: bool,
    pub(super) new_session: bool,
    pub(super) alarm: Option<u32>,
    pub(super) ignore_signals: bool,
    pub(super) pend_signals: bool,
    pub(super) starved: bool,
    pub(super) instead: Option<Raw>,
}

/// An execve(2) with arguments that the standard library would not pass.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) path: CString,
    pub(super) argv: Vec<CString>,
    pub(super) envp: Vec<CString>,
}

/// An ordinary user's ids.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
}

/// Makes `command` enter `entry` after its fork.
pub(super) fn prepare(command: &mut Command, entry: Entry) {
    let parent = std::process::id();
    // SAFETY: the child is a copy of this process with one thread. It makes system calls, and
    // allocates only through glibc, which keeps its allocator usable after a fork.
    unsafe { command.pre_exec(move || enter(&entry, parent)) };
}

/// What the test itself was started with does not go on to its children. Before Linux 5.11, which
/// has no flag for that, one by one.
fn keep_back_descriptors() {
    // SAFETY: takes numbers only.
    if unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) } == 0 {
        return;
    }
    for fd in 3..4096 {
        // SAFETY: takes numbers only; one that is no descriptor is no harm.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

fn enter(entry: &Entry, parent: u32) -> io::Result<()> {
    keep_back_descriptors();
    if let Some(fd) = entry.netns {
        // SAFETY: the descriptor belongs to the lab, which outlives the start of its children.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        setns(fd, CloneFlags::CLONE_NEWNET)?;
    }
    for &(resource, limit) in &entry.rlimits {
        setrlimit(resource, limit, limit)?;
    }
    // While the files in /proc are still this process's own.
    if entry.starved {
        starve()?;
    }
    if let Some(kept) = &entry.bounding {
        bound(kept)?;
    }
    if let Some(ids) = &entry.ids {
        prctl(libc::PR_SET_KEEPCAPS, u64::from(!entry.ambient.is_empty()))?;
        become_user(ids)?;
    }
    if entry.ids.is_some() {
        only(&entry.ambient)?;
    }
    for &fd in &entry.inherit {
        cvt(
            // SAFETY: changes a flag of a descriptor of this child.
            unsafe { libc::fcntl(fd, libc::F_SETFD, 0) },
        )?;
    }
    for &fd in &entry.close {
        close_fd(fd);
    }
    if entry.new_session {
        nix::unistd::setsid()?;
    }
    if entry.no_new_privs {
        nix::sys::prctl::set_no_new_privs()?;
    }
    if let Some(seconds) = entry.alarm {
        nix::unistd::alarm::set(seconds);
    }
    if entry.ignore_signals {
        ignore_signals()?;
    }
    // A child that the test does not end ends with the test's thread.
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)?;
    if nix::unistd::getppid().as_raw() as u32 != parent {
        return Err(io::ErrorKind::Interrupted.into());
    }
    if entry.pend_signals {
        pend_signals()?;
    }
    entry.instead.as_ref().map_or(Ok(()), execute)
}

fn execute(raw: &Raw) -> io::Result<()> {
    let list = |strings: &[CString]| {
        let ends = std::iter::once(std::ptr::null());
        strings.iter().map(|s| s.as_ptr()).chain(ends).collect::<Vec<*const libc::c_char>>()
    };
    let (argv, envp) = (list(&raw.argv), list(&raw.envp));
    // SAFETY: both lists end with a null pointer, and the strings outlive the call.
    cvt(unsafe { libc::execve(raw.path.as_ptr(), argv.as_ptr(), envp.as_ptr()) })
}

fn ignore_signals() -> io::Result<()> {
    for number in (1..32).filter(|n| ![libc::SIGKILL, libc::SIGSTOP].contains(n)) {
        // SAFETY: ignoring a signal runs no code of ours.
        if unsafe { libc::signal(number, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Blocks every signal, past the C library, which keeps two for itself, and raises all of them.
fn pend_signals() -> io::Result<()> {
    let all = u64::MAX;
    let none: *mut u64 = std::ptr::null_mut();
    // SAFETY: the mask is eight bytes long, as the call says, and outlives it.
    cvt64(unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, &all, none, size_of::<u64>())
    })?;
    let own = std::process::id();
    for signal in (1..=64).filter(|n| ![libc::SIGKILL, libc::SIGSTOP].contains(n)) {
        // SAFETY: takes numbers only.
        cvt64(unsafe { libc::syscall(libc::SYS_kill, own, signal) })?;
    }
    Ok(())
}

/// What any user may do to how their own processes are scheduled.
fn starve() -> io::Result<()> {
    const SECOND: u64 = 1_000_000_000;
    const IDLE_CLASS: libc::c_int = 3 << 13;
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure outlives the call.
    cvt(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameter) })?;
    // SAFETY: takes numbers only.
    cvt(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) })?;
    let first = 1u64;
    // SAFETY: the mask is eight bytes long, as the call says, and outlives it.
    cvt64(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of::<u64>(), &first) })?;
    // SAFETY: takes numbers only.
    cvt64(unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, IDLE_CLASS) })?;
    prctl(libc::PR_SET_TIMERSLACK, 1000 * SECOND)?;
    std::fs::write("/proc/self/oom_score_adj", "1000")
}

fn bound(kept: &[Capability]) -> io::Result<()> {
    let all = caps::read(None, CapSet::Bounding).map_err(io::Error::other)?;
    all.iter()
        .filter(|cap| !kept.contains(cap))
        .try_for_each(|cap| caps::drop(None, CapSet::Bounding, *cap).map_err(io::Error::other))
}

/// Permitted, effective and inheritable become `wanted`, and so does the ambient set.
fn only(wanted: &[Capability]) -> io::Result<()> {
    let set: CapsHashSet = wanted.iter().copied().collect();
    let put = |kind, set: &CapsHashSet| caps::set(None, kind, set).map_err(io::Error::other);
    // Permitted must not lose what effective still names.
    caps::clear(None, CapSet::Effective).map_err(io::Error::other)?;
    put(CapSet::Permitted, &set)?;
    put(CapSet::Inheritable, &set)?;
    if !set.is_empty() {
        put(CapSet::Effective, &set)?;
        put(CapSet::Ambient, &set)?;
    }
    Ok(())
}

/// Turns the calling thread, and no other one, into this user. (glibc's own functions change every
/// thread.)
pub(super) fn become_user(ids: &Ids) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of one live slice.
    let set = unsafe { libc::syscall(libc::SYS_setgroups, ids.groups.len(), ids.groups.as_ptr()) };
    cvt64(set)?;
    // SAFETY: takes numbers only.
    cvt64(unsafe { libc::syscall(libc::SYS_setresgid, ids.gid, ids.gid, ids.gid) })?;
    // SAFETY: takes numbers only.
    cvt64(unsafe { libc::syscall(libc::SYS_setresuid, ids.uid, ids.uid, ids.uid) })
}

fn prctl(option: libc::c_int, value: u64) -> io::Result<()> {
    // SAFETY: the options used here take a number.
    cvt(unsafe { libc::prctl(option, value, 0, 0, 0) })
}

fn cvt(result: libc::c_int) -> io::Result<()> {
    cvt64(result.into())
}

fn cvt64(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes a descriptor by its number; for children that are to start without it.
fn close_fd(fd: RawFd) {
    // SAFETY: the callers own the number, or are about to execute another program.
    unsafe { libc::close(fd) };
}

/// Takes over a descriptor that the kernel has just made for this process.
pub(super) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: it came with a message just now, and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Standard error itself, past the harness, without taking ownership of it.
pub(super) fn raw_stderr() -> ManuallyDrop<File> {
    // SAFETY: descriptor 2 is open in a test, and `ManuallyDrop` keeps it so.
    ManuallyDrop::new(unsafe { File::from_raw_fd(2) })
}

pub(super) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Bytes, with those that the kernel adds to each frame.
const TAP_BUFFER: usize = 8 << 20;

/// A raw packet socket on the interface of this index, in the calling thread's network namespace.
pub(super) fn packet_socket(ifindex: u32) -> io::Result<OwnedFd> {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(protocol)) };
    cvt(fd)?;
    // SAFETY: the kernel just made this descriptor for us.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: every field of the structure is a number or an array of them, for which zeros are
    // valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the address is live and its length is right.
    cvt(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) })?;
    // What a thread that is kept waiting on a busy machine has not read yet is not lost.
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::RcvBufForce, &TAP_BUFFER)?;
    Ok(fd)
}

/// A program for XDP that passes everything, loaded.
pub(super) fn load_pass() -> io::Result<OwnedFd> {
    use libbpf_rs::libbpf_sys as bpf;
    // r0 = XDP_PASS; exit
    let code = [[0xb7u8, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let (name, license) = (c"stranger".as_ptr(), c"GPL".as_ptr());
    let instructions = code.as_ptr().cast::<bpf::bpf_insn>();
    let none = std::ptr::null_mut();
    // SAFETY: an instruction has eight bytes and no alignment that the array could lack beyond what
    // the kernel, which copies it, demands; the names are literals; no options are given.
    let fd =
        unsafe { bpf::bpf_prog_load(bpf::BPF_PROG_TYPE_XDP, name, license, instructions, 2, none) };
    owned(fd)
}

/// Puts a program on an interface by a link, which lasts as long as its descriptor.
pub(super) fn link_xdp(program: &OwnedFd, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    use libbpf_rs::libbpf_sys as bpf;
    // SAFETY: every field of the options is a number or a pointer, for which zeros are valid.
    let mut options: bpf::bpf_link_create_opts = unsafe { std::mem::zeroed() };
    options.sz = size_of_val(&options) as bpf::size_t;
    options.flags = flags;
    // SAFETY: the descriptor and the options are live.
    owned(unsafe {
        bpf::bpf_link_create(program.as_raw_fd(), ifindex as i32, bpf::BPF_XDP, &options)
    })
}

/// Puts a program on an interface by netlink, or removes the one that is there.
pub(super) fn set_xdp(program: Option<&OwnedFd>, ifindex: u32, flags: u32) -> io::Result<()> {
    let fd = program.map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: takes numbers; no options are given.
    let done = unsafe {
        libbpf_rs::libbpf_sys::bpf_xdp_attach(ifindex as i32, fd, flags, std::ptr::null())
    };
    if done < 0 { Err(io::Error::from_raw_os_error(-done)) } else { Ok(()) }
}

/// A descriptor from libbpf, which answers with a negative errno.
fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    if fd < 0 { Err(io::Error::from_raw_os_error(-fd)) } else { Ok(own(fd)) }
}

/// Pins a socket to an interface, or unpins it with an empty name, by SO_BINDTODEVICE.
pub(super) fn bind_to_device(fd: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let length = name.len() as libc::socklen_t;
    // SAFETY: the name is live and the length is its own.
    cvt(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast(),
            length,
        )
    })
}

/// The same by number; 0 unpins.
pub(super) fn bind_to_ifindex(fd: BorrowedFd<'_>, ifindex: u32) -> io::Result<()> {
    // From the kernel's uapi (asm-generic/socket.h); the libc crate has it for some targets only.
    const SO_BINDTOIFINDEX: libc::c_int = 62;
    let length = size_of::<u32>() as libc::socklen_t;
    // SAFETY: the number is live and the length is its own.
    cvt(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_BINDTOIFINDEX,
            (&raw const ifindex).cast(),
            length,
        )
    })
}

/// An empty XSKMAP with this many slots.
pub(super) fn make_xskmap(slots: u32) -> io::Result<OwnedFd> {
    use libbpf_rs::libbpf_sys as bpf;
    let (kind, name, none) = (bpf::BPF_MAP_TYPE_XSKMAP, c"bare".as_ptr(), std::ptr::null());
    // SAFETY: takes numbers, a literal and no options.
    owned(unsafe { bpf::bpf_map_create(kind, name, 4, 4, slots, none) })
}

/// Puts a socket into a free slot of an XSKMAP.
pub(super) fn put_socket(map: &OwnedFd, slot: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
    use libbpf_rs::libbpf_sys as bpf;
    let value = socket.as_raw_fd();
    let (key, value) = ((&raw const slot).cast(), (&raw const value).cast());
    // SAFETY: key and value are live and have the four bytes that the map was made for.
    let done = unsafe {
        bpf::bpf_map_update_elem(map.as_raw_fd(), key, value, u64::from(bpf::BPF_NOEXIST))
    };
    if done < 0 { Err(io::Error::from_raw_os_error(-done)) } else { Ok(()) }
}

/// Whether a program of this id is in the kernel.
pub(super) fn program_exists(id: u32) -> bool {
    // SAFETY: takes a number.
    let fd = unsafe { libbpf_rs::libbpf_sys::bpf_prog_get_fd_by_id(id) };
    owned(fd).is_ok()
}

/// Has the kernel send a signal to a process when something happens on a descriptor with O_ASYNC.
pub(super) fn send_signals_to(fd: BorrowedFd<'_>, pid: u32, signal: libc::c_int) -> io::Result<()> {
    // From the kernel's uapi (asm-generic/fcntl.h); the libc crate lacks it.
    const F_SETSIG: libc::c_int = 10;
    let (fd, pid) = (fd.as_raw_fd(), pid as libc::c_int);
    // SAFETY: takes numbers only.
    cvt(unsafe { libc::fcntl(fd, libc::F_SETOWN, pid) })?;
    // SAFETY: takes numbers only.
    cvt(unsafe { libc::fcntl(fd, F_SETSIG, signal) })
}

/// A number that a socket option has.
pub(super) fn option(fd: BorrowedFd<'_>, name: libc::c_int) -> io::Result<i32> {
    let (mut value, mut length) = (0i32, size_of::<i32>() as libc::socklen_t);
    let (at, room) = ((&raw mut value).cast(), &raw mut length);
    // SAFETY: the value and its length are live, and the length is right.
    cvt(unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, at, room) })?;
    Ok(value)
}

/// The errno of bind(2) of an AF_XDP socket, 0 for none.
pub(super) fn bind_xdp(
    socket: BorrowedFd<'_>,
    ifindex: u32,
    queue: u32,
    umem: Option<BorrowedFd<'_>>,
) -> i32 {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: if umem.is_some() { libc::XDP_SHARED_UMEM } else { 0 },
        sxdp_ifindex: ifindex,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: umem.map_or(0, |fd| fd.as_raw_fd() as u32),
    };
    let pointer: *const libc::sockaddr_xdp = &address;
    let len = size_of::<libc::sockaddr_xdp>() as libc::socklen_t;
    // SAFETY: `address` outlives the call, and `len` is its size.
    let ret = unsafe { libc::bind(socket.as_raw_fd(), pointer.cast(), len) };
    if ret == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(0) }
}
