// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which processes hold a socket at this moment, by a descriptor or by a mapping of its rings. The
//! kernel names a socket by its inode in both places.
#![forbid(unsafe_code)]

use std::fs::{self, DirEntry};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::sys::pidfd;

/// A process that holds some of the sockets.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) process: OwnedFd,
    /// The real, the effective and the saved uid.
    pub(super) uids: [u32; 3],
    /// The inodes of the sockets.
    pub(super) sockets: Vec<u64>,
}

/// Every holder, without this process. What was read of a process counts only if the process was
/// alive afterwards: its number was its own all the while.
pub(super) fn of(sockets: &[u64]) -> io::Result<Vec<Holder>> {
    let numbers = fs::read_dir("/proc")?.flatten().filter_map(|entry| number(&entry));
    let others = numbers.filter(|pid| *pid != std::process::id());
    Ok(others.filter_map(|pid| holder(pid, sockets)).collect())
}

fn number(entry: &DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

fn holder(pid: u32, sockets: &[u64]) -> Option<Holder> {
    let process = pidfd::open(pid).ok()?;
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let names: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let held = held(&folder, &names);
    let sockets: Vec<u64> =
        sockets.iter().zip(&held).filter(|(_, held)| **held).map(|(inode, _)| *inode).collect();
    if sockets.is_empty() {
        return None;
    }
    let uids = uids(&fs::read_to_string(folder.join("status")).ok()?)?;
    pidfd::alive(&process).then_some(Holder { pid, process, uids, sockets })
}

/// Which of the names a process has. Threads may have tables of descriptors of their own.
fn held(folder: &Path, names: &[String]) -> Vec<bool> {
    let mut held = vec![false; names.len()];
    let mut mark = |text: &str| {
        for (held, name) in held.iter_mut().zip(names) {
            *held |= text.ends_with(name.as_str());
        }
    };
    for task in fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
        for fd in fs::read_dir(task.path().join("fd")).into_iter().flatten().flatten() {
            mark(&fs::read_link(fd.path()).unwrap_or_default().to_string_lossy());
        }
    }
    fs::read_to_string(folder.join("maps")).unwrap_or_default().lines().for_each(mark);
    held
}

/// The first three numbers of the line `Uid:` of proc_pid_status(5).
fn uids(status: &str) -> Option<[u32; 3]> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let mut numbers = line.split_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_uids_that_matter() {
        assert_eq!(uids("Name:\tx\nUid:\t1000\t0\t7\t1000\nGid:\t1\n"), Some([1000, 0, 7]));
        assert_eq!(uids("Name:\tUid: 1 2 3\n"), None);
        assert_eq!(uids("Uid:\t1000\t0\n"), None);
    }
}
