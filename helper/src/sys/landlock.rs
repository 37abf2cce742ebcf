// SPDX-License-Identifier: MIT OR Apache-2.0
//! landlock(7): the rights to the file system that a process takes from itself. The first version
//! of it, from Linux 5.13 on, has all that is needed here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// Every right of the first version (include/uapi/linux/landlock.h, `LANDLOCK_ACCESS_FS_*`).
const ALL: u64 = (1 << 13) - 1;
/// To remove folders, and files, beneath one.
pub(crate) const REMOVE_DIR: u64 = 1 << 4;
pub(crate) const REMOVE_FILE: u64 = 1 << 5;

const LANDLOCK_RULE_PATH_BENEATH: libc::c_int = 1;

/// `struct landlock_ruleset_attr`, as the first version has it.
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

/// Takes every right to files from this process but these, each to what is beneath an open folder.
/// What is open stays as it is. Wants no_new_privs.
pub(crate) fn restrict(kept: &[(BorrowedFd<'_>, u64)]) -> io::Result<()> {
    let ruleset = create()?;
    for (folder, rights) in kept {
        add(&ruleset, *folder, *rights)?;
    }
    // SAFETY: a plain system call on a descriptor that is open.
    let ret = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32) };
    check(ret as libc::c_int).map(drop)
}

fn create() -> io::Result<OwnedFd> {
    let attr = RulesetAttr { handled_access_fs: ALL };
    let pointer: *const RulesetAttr = &attr;
    // SAFETY: `attr` outlives the call, and the size is its own.
    let ret = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, pointer, size_of::<RulesetAttr>(), 0u32)
    };
    let fd = check(ret as libc::c_int)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn add(ruleset: &OwnedFd, folder: BorrowedFd<'_>, rights: u64) -> io::Result<()> {
    let attr = PathBeneathAttr { allowed_access: rights, parent_fd: folder.as_raw_fd() };
    let pointer: *const PathBeneathAttr = &attr;
    let (ruleset, kind) = (ruleset.as_raw_fd(), LANDLOCK_RULE_PATH_BENEATH);
    // SAFETY: `attr` outlives the call and is laid out as the kernel's.
    let ret = unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, kind, pointer, 0u32) };
    check(ret as libc::c_int).map(drop)
}
