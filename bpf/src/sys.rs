// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf() commands that `libbpf-rs` does not offer on plain descriptors, and nothing else.
//!
//! Plain descriptors, because a keeper that lost its capabilities works on what it has open, and
//! because a `bpf_object` would stay in its memory for as long as the lease lives.
#![allow(unsafe_code)]

use std::ffi::{CString, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libbpf_rs::libbpf_sys as raw;

fn path_of(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// libbpf answers 0 or a descriptor, or a negative errno.
fn check(ret: c_int) -> io::Result<c_int> {
    if ret < 0 { Err(io::Error::from_raw_os_error(-ret)) } else { Ok(ret) }
}

fn owned(ret: c_int) -> io::Result<OwnedFd> {
    let fd = check(ret)?;
    // SAFETY: libbpf has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// BPF_LINK_CREATE of an XDP link on `ifindex`, with `XDP_FLAGS_*`.
pub(crate) fn xdp_link_create(
    prog: BorrowedFd<'_>,
    ifindex: i32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let opts = raw::bpf_link_create_opts {
        sz: size_of::<raw::bpf_link_create_opts>() as raw::size_t,
        flags,
        ..Default::default()
    };
    // SAFETY: `opts` outlives the call and says its own size.
    owned(unsafe { raw::bpf_link_create(prog.as_raw_fd(), ifindex, raw::BPF_XDP, &opts) })
}

/// BPF_LINK_DETACH.
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a plain system call on a descriptor that is open.
    check(unsafe { raw::bpf_link_detach(link.as_raw_fd()) }).map(drop)
}

/// The ifindex that an XDP link is on (0 after the interface is gone) and the id of its program.
pub(crate) fn xdp_link_info(link: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let mut info = raw::bpf_link_info::default();
    let mut len = size_of::<raw::bpf_link_info>() as u32;
    // SAFETY: `info` and `len` outlive the call, and `len` is the size of `info`.
    check(unsafe {
        raw::bpf_obj_get_info_by_fd(link.as_raw_fd(), (&raw mut info).cast(), &mut len)
    })?;
    if info.type_ != raw::BPF_LINK_TYPE_XDP {
        return Err(io::Error::from_raw_os_error(22));
    }
    // SAFETY: the kernel says that it is an XDP link, so this is the member that it has filled.
    let ifindex = unsafe { info.__bindgen_anon_1.xdp.ifindex };
    Ok((ifindex, info.prog_id))
}

/// The name of a loaded program, as its source has it.
pub(crate) fn prog_name(prog: BorrowedFd<'_>) -> io::Result<String> {
    let mut info = raw::bpf_prog_info::default();
    let mut len = size_of::<raw::bpf_prog_info>() as u32;
    // SAFETY: `info` and `len` outlive the call, and `len` is the size of `info`.
    check(unsafe {
        raw::bpf_obj_get_info_by_fd(prog.as_raw_fd(), (&raw mut info).cast(), &mut len)
    })?;
    Ok(info.name.iter().take_while(|c| **c != 0).map(|c| char::from(*c as u8)).collect())
}

/// BPF_OBJ_PIN.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = path_of(path)?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    check(unsafe { raw::bpf_obj_pin(object.as_raw_fd(), path.as_ptr()) }).map(drop)
}

/// BPF_OBJ_GET.
pub(crate) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = path_of(path)?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    owned(unsafe { raw::bpf_obj_get(path.as_ptr()) })
}

/// BPF_MAP_UPDATE_ELEM; the caller knows the sizes of the map's keys and values.
pub(crate) fn map_update<const K: usize, const V: usize>(
    map: BorrowedFd<'_>,
    key: &[u8; K],
    value: &[u8; V],
    flags: u64,
) -> io::Result<()> {
    let (key, value): (*const u8, *const u8) = (key.as_ptr(), value.as_ptr());
    // SAFETY: both outlive the call and are as long as the map's keys and values.
    check(unsafe { raw::bpf_map_update_elem(map.as_raw_fd(), key.cast(), value.cast(), flags) })
        .map(drop)
}

/// BPF_MAP_DELETE_ELEM; the caller knows the size of the map's keys.
pub(crate) fn map_delete<const K: usize>(map: BorrowedFd<'_>, key: &[u8; K]) -> io::Result<()> {
    // SAFETY: the key outlives the call and is as long as the map's keys are.
    check(unsafe { raw::bpf_map_delete_elem(map.as_raw_fd(), key.as_ptr().cast()) }).map(drop)
}

/// BPF_MAP_GET_NEXT_KEY; the caller knows the size of the map's keys. `None` after the last.
pub(crate) fn map_next_key<const K: usize>(
    map: BorrowedFd<'_>,
    last: Option<&[u8; K]>,
) -> io::Result<Option<[u8; K]>> {
    let mut next = [0u8; K];
    let last = last.map_or(std::ptr::null(), |key| key.as_ptr());
    // SAFETY: both are as long as the map's keys are, and the kernel takes a null key for the
    // beginning.
    match check(unsafe {
        raw::bpf_map_get_next_key(map.as_raw_fd(), last.cast(), next.as_mut_ptr().cast())
    }) {
        Ok(_) => Ok(Some(next)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of slots of a map.
pub(crate) fn map_max_entries(map: BorrowedFd<'_>) -> io::Result<u32> {
    map_info(map).map(|info| info.max_entries)
}

/// The sizes of a map's keys and values.
pub(crate) fn map_sizes(map: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    map_info(map).map(|info| (info.key_size as usize, info.value_size as usize))
}

fn map_info(map: BorrowedFd<'_>) -> io::Result<raw::bpf_map_info> {
    let mut info = raw::bpf_map_info::default();
    let mut len = size_of::<raw::bpf_map_info>() as u32;
    // SAFETY: `info` and `len` outlive the call, and `len` is the size of `info`.
    check(unsafe {
        raw::bpf_obj_get_info_by_fd(map.as_raw_fd(), (&raw mut info).cast(), &mut len)
    })?;
    Ok(info)
}

/// BPF_PROG_TEST_RUN over `data`, which the program changes in place.
pub(crate) fn test_run(prog: BorrowedFd<'_>, data: &mut [u8]) -> io::Result<u32> {
    let input = data.to_vec();
    let mut opts = raw::bpf_test_run_opts {
        sz: size_of::<raw::bpf_test_run_opts>() as raw::size_t,
        data_in: input.as_ptr().cast::<c_void>(),
        data_size_in: input.len() as u32,
        data_out: data.as_mut_ptr().cast::<c_void>(),
        data_size_out: data.len() as u32,
        repeat: 1,
        ..Default::default()
    };
    // SAFETY: `input` and `data` outlive the call, and the sizes are theirs.
    check(unsafe { raw::bpf_prog_test_run_opts(prog.as_raw_fd(), &mut opts) })?;
    Ok(opts.retval)
}

/// Removes a file of an open folder.
pub(crate) fn unlink_in(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let name = path_of(Path::new(name))?;
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    last(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) })
}

/// Removes an empty folder, by the system call that files are removed by as well.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    let path = path_of(path)?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    last(unsafe { libc::unlinkat(libc::AT_FDCWD, path.as_ptr(), libc::AT_REMOVEDIR) })
}

/// The C library answers 0, or -1 and leaves errno.
fn last(ret: c_int) -> io::Result<()> {
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns whether `path` is on a bpffs.
pub(crate) fn on_bpffs(path: &Path) -> io::Result<bool> {
    const BPF_FS_MAGIC: libc::c_long = 0xcafe_4a11;
    let path = path_of(path)?;
    let mut fs = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` is a NUL-terminated string and `fs` is large enough for the kernel's answer.
    let ret = unsafe { libc::statfs(path.as_ptr(), fs.as_mut_ptr()) };
    if ret != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statfs succeeded, so it has filled the structure.
    let fs = unsafe { fs.assume_init() };
    Ok(fs.f_type == BPF_FS_MAGIC)
}
