// SPDX-License-Identifier: MIT OR Apache-2.0
//! The third stage, as root only: the folders under `/run/xsk-helper`, and the bpffs among them.
//!
//! A package makes them by tmpfiles.d and a mount unit; without those, the helper does while it is
//! still root. Each step is done only if it is needed, so a process that is killed between two
//! steps leaves nothing broken.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown};
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::service::ServiceUser;
use crate::error::{Failure, SetupFault, Taken};
use crate::failpoints::failpoint;
use crate::leases::{self, table::PATIENCE};
use crate::paths;
use crate::sys::locks;

/// The lock file of the mount.
const MOUNT: &str = "mount";

/// The third stage.
pub(crate) fn prepare(user: ServiceUser) -> Result<(), Failure> {
    let at = |path: &'static str| {
        move |error: io::Error| Failure::sys_of("preparing a folder", path, error)
    };
    folder(Path::new(paths::RUN), 0o755, None).map_err(at(paths::RUN))?;
    folder(Path::new(paths::LEASES), 0o700, Some(user)).map_err(at(paths::LEASES))?;
    folder(Path::new(paths::BPF), 0o700, None).map_err(at(paths::BPF))?;
    let bpf = Path::new(paths::BPF);
    if !xsk_bpf::is_bpffs(bpf).map_err(at(paths::BPF))? {
        failpoint!("mount");
        mount_once(bpf)?;
    }
    own(bpf, 0o700, user).map_err(at(paths::BPF))
}

/// Mounts the bpffs, unless another process has just done it: a second mount would cover the first
/// one and hide its pins.
fn mount_once(bpf: &Path) -> Result<(), Failure> {
    let at = |error: io::Error| Failure::sys_of("mounting a bpffs", paths::BPF, error);
    let lock = leases::open_lock_file(MOUNT).map_err(at)?;
    if !locks::lock_within(&lock, 0, 1, PATIENCE).map_err(at)? {
        return Err(Taken::Mount.into());
    }
    if xsk_bpf::is_bpffs(bpf).map_err(at)? {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("xsk-helper"), bpf, Some("bpf"), flags, Some("mode=0700"))
        .map_err(|error| at(error.into()))
}

/// Replaces the third stage for a helper that is not root: checks that root has made the folders.
pub(crate) fn expect() -> Result<(), Failure> {
    let missing =
        [paths::RUN, paths::LEASES, paths::BPF].into_iter().find(|path| !Path::new(path).is_dir());
    missing.map_or(Ok(()), |path| Err(SetupFault::NoFolder(path).into()))
}

/// Makes the folder if it is missing. A link or anything else in its place is an error.
fn folder(path: &Path, mode: u32, owner: Option<ServiceUser>) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            set_permissions(path, Permissions::from_mode(mode))?;
            if let Some(user) = owner {
                chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(path, owner),
        Err(error) => Err(error),
    }
}

fn check(path: &Path, owner: Option<ServiceUser>) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    let service = owner.map(|user| user.uid.as_raw());
    match judge(found.is_dir(), found.uid(), service, path == Path::new(paths::BPF))? {
        Folder::Ours => Ok(()),
        Folder::HandOver { to } => lchown(path, Some(to), None),
    }
}

/// What is to be done about a folder that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    /// Nothing.
    Ours,
    /// Root made it and has not handed it over: a caller may have been killed in between.
    HandOver { to: u32 },
}

/// Judges what was found in the place of a folder that is to be the service user's, or root's.
/// Another owner could put anything into it. The mount point, whose owner comes later, may have
/// been made by a mount unit.
fn judge(folder: bool, uid: u32, service: Option<u32>, mount_point: bool) -> io::Result<Folder> {
    match service {
        _ if !folder => Err(io::Error::other("it is not a folder")),
        Some(to) if uid == 0 => Ok(Folder::HandOver { to }),
        None if uid == 0 => Ok(Folder::Ours),
        _ if mount_point || service == Some(uid) => Ok(Folder::Ours),
        _ => Err(io::Error::other(format!("it belongs to uid {uid}"))),
    }
}

fn own(path: &Path, mode: u32, user: ServiceUser) -> io::Result<()> {
    let found = path.metadata()?;
    if found.uid() != user.uid.as_raw() || found.gid() != user.gid.as_raw() {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    if found.mode() & 0o7777 != mode {
        set_permissions(path, Permissions::from_mode(mode))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: u32 = 990;

    #[test]
    fn a_folder_is_roots_or_the_service_users() {
        let of = |uid, service| judge(true, uid, service, false).ok();
        assert_eq!(of(0, None), Some(Folder::Ours));
        assert_eq!(of(0, Some(SERVICE)), Some(Folder::HandOver { to: SERVICE }));
        assert_eq!(of(SERVICE, Some(SERVICE)), Some(Folder::Ours));
        assert_eq!(
            (of(1000, None), of(1000, Some(SERVICE)), of(SERVICE, None)),
            (None, None, None)
        );
        assert_eq!(judge(true, SERVICE, None, true).ok(), Some(Folder::Ours));
    }

    #[test]
    fn nothing_but_a_folder_will_do() {
        for (uid, service) in [(0, None), (0, Some(SERVICE)), (SERVICE, Some(SERVICE))] {
            assert!(judge(false, uid, service, true).is_err());
        }
    }
}
