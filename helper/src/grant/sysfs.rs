// SPDX-License-Identifier: MIT OR Apache-2.0
//! What /sys shows of an interface. /sys shows the network namespace in which it was mounted, so
//! the index is compared first.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the folder of the interface, if it is the same interface.
fn folder(name: &str, ifindex: u32) -> Option<PathBuf> {
    let folder = Path::new("/sys/class/net").join(name);
    let index = fs::read_to_string(folder.join("ifindex")).ok()?;
    (index.trim() == ifindex.to_string()).then_some(folder)
}

fn names(folder: &Path) -> Option<Vec<OsString>> {
    Some(fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name()).collect())
}

fn count(names: &[OsString], prefix: &str) -> usize {
    names.iter().filter(|name| name.to_string_lossy().starts_with(prefix)).count()
}

/// Returns whether another device stands on the interface (a VLAN, a macvlan, a bridge …).
pub(super) fn has_upper(name: &str, ifindex: u32) -> bool {
    let names = folder(name, ifindex).and_then(|folder| names(&folder));
    names.is_some_and(|names| count(&names, "upper_") > 0)
}

/// Returns how many receive or transmit queues there are, whichever are more.
pub(super) fn queues(name: &str, ifindex: u32) -> Option<u32> {
    let names = names(&folder(name, ifindex)?.join("queues"))?;
    let most = count(&names, "rx-").max(count(&names, "tx-"));
    u32::try_from(most).ok().filter(|count| *count > 0)
}
