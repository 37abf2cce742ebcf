// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why the service user may not read a file of the policy. The kernel answers "Permission denied"
//! for the file and for its folder alike; the modes tell which of them it is, and what mends it.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

use super::parse::PolicyError;
use crate::paths::SERVICE_USER;

/// What everybody needs on a file.
const READ: u32 = 0o004;
/// What everybody needs on a folder.
const READ_AND_SEARCH: u32 = 0o005;

/// Names the file or the folder whose mode is in the way, if it is a mode.
pub(super) fn file(folder: &File, folder_path: &Path, name: &OsStr) -> Option<PolicyError> {
    match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => barred(&folder_path.join(name), found.st_mode, READ),
        Err(Errno::EACCES) => self::folder(folder, folder_path),
        Err(_) => None,
    }
}

/// The same for a folder.
pub(super) fn folder(folder: &File, path: &Path) -> Option<PolicyError> {
    barred(path, folder.metadata().ok()?.mode(), READ_AND_SEARCH)
}

fn barred(path: &Path, mode: u32, needed: u32) -> Option<PolicyError> {
    let mode = mode & 0o7777;
    let mend = if needed == READ { "a+r" } else { "a+rx" };
    (mode & needed != needed).then(|| PolicyError {
        place: path.display().to_string(),
        message: format!(
            "the service user '{SERVICE_USER}' cannot read it (mode {mode:04o}; chmod {mend})"
        ),
        errno: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mode: u32, needed: u32) -> Option<String> {
        barred(Path::new("/etc/x"), mode, needed).map(|error| error.to_string())
    }

    #[test]
    fn a_mode_that_locks_the_service_user_out_is_named_with_its_mend() {
        let file = "/etc/x: the service user '_xsk-helper' cannot read it (mode 0600; chmod a+r)";
        assert_eq!(said(0o100_600, READ).as_deref(), Some(file));
        let folder =
            "/etc/x: the service user '_xsk-helper' cannot read it (mode 0750; chmod a+rx)";
        assert_eq!(said(0o040_750, READ_AND_SEARCH).as_deref(), Some(folder));
    }

    #[test]
    fn what_everybody_may_read_is_kept_away_by_something_else() {
        assert_eq!(said(0o100_644, READ), None);
        assert_eq!(said(0o040_755, READ_AND_SEARCH), None);
    }
}
