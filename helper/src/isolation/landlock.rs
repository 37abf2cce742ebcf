// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a keeper may do with files by name: remove the pins of its own interface and the texts of
//! its own user. The seccomp list has unlinkat(2) for that, and cannot see a name.
//!
//! Without Landlock a keeper goes on without it, and the log says so once a boot.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::audit::{Line, What};
use crate::leases::open_lock_file;
use crate::paths;
use crate::sys::landlock::{REMOVE_DIR, REMOVE_FILE, restrict};

/// The file that remembers that the log says so.
const SAID: &str = "landlock";

/// Takes every other right to files from this process. `folders` are those whose files it may
/// remove.
pub(crate) fn confine(folders: &[BorrowedFd<'_>]) {
    if let Err(error) = try_confine(folders) {
        say_once(&error);
    }
}

fn try_confine(folders: &[BorrowedFd<'_>]) -> io::Result<()> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    // The folder of the pins is removed with them; one that still has pins cannot be.
    let bpf = OpenOptions::new().read(true).custom_flags(flags).open(paths::BPF)?;
    let mut kept: Vec<_> = folders.iter().map(|folder| (*folder, REMOVE_FILE)).collect();
    kept.push((bpf.as_fd(), REMOVE_DIR));
    restrict(&kept)
}

/// If that cannot be remembered, for example because the file system is full, it is logged again.
fn say_once(error: &io::Error) {
    let known = open_lock_file(SAID).and_then(|said| {
        let known = said.metadata()?.len() > 0;
        io::Write::write_all(&mut &said, b"!")?;
        Ok(known)
    });
    if !known.unwrap_or(false) {
        Line::new(What::Error).with("landlock", error).with("reason", reason(error)).log();
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            "the kernel has none, before Linux 5.13 or without CONFIG_SECURITY_LANDLOCK"
        }
        Some(libc::EOPNOTSUPP) => {
            "it is switched off: name landlock in lsm= on the kernel's command line"
        }
        Some(libc::EPERM) => {
            "a filter of system calls refuses it: name the landlock_ calls in SystemCallFilter="
        }
        _ => "keepers go on without it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let of = |errno| reason(&io::Error::from_raw_os_error(errno));
        let all = [of(libc::ENOSYS), of(libc::EOPNOTSUPP), of(libc::EPERM), of(libc::EINVAL)];
        assert!((0..4).all(|one| (0..one).all(|other| all[one] != all[other])));
    }
}
