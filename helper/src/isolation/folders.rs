// SPDX-License-Identifier: MIT OR Apache-2.0
//! The third stage, as root only: the folders under `/run/xsk-helper`, and the bpffs among them.
//!
//! A package makes them by tmpfiles.d and a mount unit; where neither is, the helper does while it still can.
//! Each step is done only where it is needed, so a caller who kills the process between two leaves nothing wrong.

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
    let at = |path: &'static str| move |error: io::Error| Failure::sys_of("preparing a folder", path, error);
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

/// Mounts the bpffs, unless somebody else has just done it: a second one would lie upon the first, and hide what is
/// pinned there.
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
    mount(Some("xsk-helper"), bpf, Some("bpf"), flags, Some("mode=0700")).map_err(|error| at(error.into()))
}

/// In the place of the third stage, for a helper that is not root: somebody who is has to have done that.
pub(crate) fn expect() -> Result<(), Failure> {
    let missing = [paths::RUN, paths::LEASES, paths::BPF].into_iter().find(|path| !Path::new(path).is_dir());
    missing.map_or(Ok(()), |path| Err(SetupFault::NoFolder(path).into()))
}

/// Makes the folder where it is missing; a link or anything else in its place is an error.
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

/// Whoever else owned a folder here could put what he likes into it.
fn check(path: &Path, owner: Option<ServiceUser>) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if !found.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    let service = owner.map(|user| user.uid.as_raw());
    if found.uid() == 0 {
        // Made by root and not handed over yet: a caller may have been killed in between.
        service.map_or(Ok(()), |uid| lchown(path, Some(uid), None))
    } else if service == Some(found.uid()) || path == Path::new(paths::BPF) {
        Ok(())
    } else {
        Err(io::Error::other(format!("it belongs to uid {}", found.uid())))
    }
}

fn own(path: &Path, mode: u32, user: ServiceUser) -> io::Result<()> {
    let found = path.metadata()?;
    if found.uid() != user.uid.as_raw() || found.gid() != user.gid.as_raw() {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    if found.mode() & 0o7777 != mode { set_permissions(path, Permissions::from_mode(mode)) } else { Ok(()) }
}
