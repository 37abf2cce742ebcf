// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a user can reach the helper at all: by the socket, and where there is none by a setuid
//! helper. A rule is of no use to a user whom the socket's mode keeps out.
#![forbid(unsafe_code)]

use std::fs::{Metadata, metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::report::Reach;
use crate::accounts::group_name;
use crate::paths::{HELPER, SOCKET};

const WRITE: u32 = 2;
const EXECUTE: u32 = 1;
const SETUID: u32 = 0o4000;

/// The account that is asked about.
pub(super) struct Who<'a> {
    pub(super) name: &'a str,
    pub(super) uid: u32,
    pub(super) groups: &'a [u32],
}

/// The answer for the system's own socket and helper.
pub(super) fn of(who: &Who<'_>) -> Reach {
    let socket = metadata(SOCKET).ok().filter(|found| found.file_type().is_socket());
    let helper =
        metadata(HELPER).ok().filter(|found| found.is_file() && found.mode() & SETUID != 0);
    match (socket, helper) {
        (Some(socket), _) => through(who, SOCKET, &socket, WRITE, "connect to"),
        (None, Some(helper)) => through(who, HELPER, &helper, EXECUTE, "start"),
        (None, None) => Reach {
            can: false,
            path: SOCKET.to_owned(),
            text: format!(
                "nobody can reach the helper: there is no socket at {SOCKET}, and {HELPER} is not setuid\n  \
                 hint: systemctl enable --now xsk-helper.socket"
            ),
        },
    }
}

fn through(who: &Who<'_>, path: &str, found: &Metadata, needed: u32, deed: &str) -> Reach {
    let can = permits(who, found.mode(), (found.uid(), found.gid()), needed);
    let (name, mode) = (who.name, found.mode() & 0o7777);
    let group = group_name(found.gid());
    let word = if can { "can" } else { "cannot" };
    let mut text = format!("{name} {word} {deed} {path} (mode {mode:04o}, group {group})");
    if !can {
        let mend = if needed == WRITE { "chmod g+rw" } else { "chmod g+x" };
        let member = mode >> 3 & needed == needed;
        let hint =
            if member { format!("usermod -aG {group} {name}") } else { format!("{mend} {path}") };
        text = format!("{text}\n  hint: {hint}");
    }
    Reach { can, path: path.to_owned(), text }
}

/// What the mode bits say, as the kernel reads them: the first of owner, group and others that fits
/// decides.
fn permits(who: &Who<'_>, mode: u32, (owner, group): (u32, u32), needed: u32) -> bool {
    let bits = match () {
        () if who.uid == 0 => return needed == WRITE || mode & 0o111 != 0,
        () if who.uid == owner => mode >> 6,
        () if who.groups.contains(&group) => mode >> 3,
        () => mode,
    };
    bits & needed == needed
}

/// The names of groups, for people.
pub(super) fn names(groups: &[u32]) -> Vec<String> {
    let mut names: Vec<String> = groups.iter().map(|gid| group_name(*gid)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_fits_decides() {
        let alice = Who { name: "alice", uid: 1000, groups: &[1000, 50] };
        let mode_and_owner = [
            (0o660, (0, 50), true),
            (0o660, (0, 51), false),
            (0o606, (0, 50), false),
            (0o606, (0, 51), true),
            (0o066, (1000, 51), false),
            (0o600, (1000, 51), true),
        ];
        for (mode, owner, can) in mode_and_owner {
            assert_eq!(permits(&alice, mode, owner, WRITE), can, "{mode:o} {owner:?}");
        }
        let root = Who { name: "root", uid: 0, groups: &[0] };
        assert!(permits(&root, 0, (0, 0), WRITE) && !permits(&root, 0o600, (0, 0), EXECUTE));
    }
}
