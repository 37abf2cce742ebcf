// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removes lock files without a lock, and texts of leases that are over. They mean nothing, but
//! interfaces and users come and go, and `status` reads every file.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::leases::key::Key;
use crate::leases::lock_file::{self, folder};
use crate::leases::memlock::MEMLOCK;
use crate::leases::pins;
use crate::leases::quota::USERS;
use crate::leases::record::{self, TEXTS};
use crate::leases::table::{self, Table};
use crate::paths;

/// Returns how many it removed. What cannot be removed now is left to the next run.
pub(super) fn remove() -> usize {
    let pinned = pins::all();
    let names = names(Path::new(paths::LEASES));
    let keys = names
        .iter()
        .filter_map(|name| Key::parse(name.to_str()?))
        .filter(|key| !pinned.contains(key));
    let interfaces = keys.filter(|key| remove_interface(*key).unwrap_or(false)).count();
    let users = [USERS, MEMLOCK]
        .into_iter()
        .map(folder)
        .map(|kind| remove_all(&kind, lock_file::remove_unused));
    interfaces + users.sum::<usize>() + remove_texts()
}

fn names(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}

/// Does not wait for a process that is working with the interface.
fn remove_interface(key: Key) -> io::Result<bool> {
    let table = Table::open(key)?;
    Ok(table.try_lock_interface()? && table.remove()?)
}

fn remove_all(folder: &Path, remove: impl Fn(&Path) -> io::Result<bool>) -> usize {
    names(folder).iter().filter(|name| remove(&folder.join(name)).unwrap_or(false)).count()
}

/// Removes the folder of a user without texts as well.
fn remove_texts() -> usize {
    let texts = folder(TEXTS);
    let of_user = |uid: OsString| {
        let folder = texts.join(&uid);
        let removed = remove_all(&folder, |path| remove_text(path, uid.to_str()));
        let _ = fs::remove_dir(&folder);
        removed
    };
    names(&texts).into_iter().map(of_user).sum()
}

fn remove_text(path: &Path, uid: Option<&str>) -> io::Result<bool> {
    let lease = path.file_name().and_then(|name| record::parse_name(name.to_str()?));
    let Some(((key, queue), uid)) = lease.zip(uid.and_then(|uid| uid.parse::<u32>().ok())) else {
        return Ok(false);
    };
    let held = table::holders(key)?.iter().any(|holder| (holder.queue, holder.uid) == (queue, uid));
    if !held {
        fs::remove_file(path)?;
    }
    Ok(!held)
}
