// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part of the second stage: out of the caller's control group. The caller controls that group's
//! processor quota, its freezer and its `cgroup.kill`, whatever uids the process has.
//!
//! Only a process that is root can leave, and only where a hierarchy of version 2 is mounted at its
//! usual place.
#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// Where the hierarchy is: on its own, or beside those of version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The group of helpers that users have started. It has no limit.
const OWN: &str = "xsk-helper";

/// Moves the process into [`OWN`]. A failure is no error: the group stays the caller's, and the
/// helper works in it.
pub(crate) fn leave() {
    let own_line = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if is_below_root(&own_line) {
        let _ = ROOTS.map(Path::new).into_iter().find(|root| is_version_2(root)).map(enter_own);
    }
}

/// Returns whether `/proc/self/cgroup` has the process in a group below the root of version 2: a
/// move costs milliseconds, and the root has no limit.
fn is_below_root(lines: &str) -> bool {
    lines.lines().filter_map(|line| line.strip_prefix("0::")).any(|path| path != "/")
}

fn is_version_2(root: &Path) -> bool {
    statfs(root).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

fn enter_own(root: &Path) -> io::Result<()> {
    let group = root.join(OWN);
    match DirBuilder::new().mode(0o755).create(&group) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::write(group.join("cgroup.procs"), "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_group_of_version_2_below_the_root_is_left() {
        assert!(is_below_root("0::/user.slice/user-1000.slice/session-3.scope\n"));
        assert!(is_below_root("9:name=systemd:/\n0::/a\n"));
        assert!(!is_below_root("4:memory:/a\n0::/\n"));
        assert!(!is_below_root("4:memory:/a\n"));
        assert!(!is_below_root(""));
    }
}
