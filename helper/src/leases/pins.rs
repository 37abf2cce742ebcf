// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pins of an interface's program: the part of the lease table that outlives every process. A
//! program is ours if a pin here accounts for it.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use xsk_bpf::{Error, LinkInfo, Redirect, Step};

use super::key::Key;
use crate::audit::{Line, What};
use crate::bpf_call::privileged;
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::paths;

/// Where the objects of an interface are pinned.
pub(crate) fn folder(key: Key) -> PathBuf {
    Path::new(paths::BPF).join(key.to_string())
}

/// Returns every interface for which something is pinned.
pub(crate) fn all() -> Vec<Key> {
    let Ok(entries) = std::fs::read_dir(paths::BPF) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Key::parse(entry.file_name().to_str()?)).collect()
}

/// Opens everything that is pinned for an interface. `None` if one of the pins is missing: then
/// there is no program that could receive.
pub(crate) fn open(key: Key) -> Result<Option<Redirect>, Failure> {
    privileged(|| match Redirect::open(&folder(key)) {
        Err(Error { step: Step::OpenPin, errno: libc::ENOENT }) => Ok(None),
        redirect => redirect.map(Some),
    })
}

/// Returns the slots of an interface's map that have a socket; none if there is no map.
pub(crate) fn occupied(key: Key) -> Result<Vec<u32>, Failure> {
    let Some(redirect) = open(key)? else { return Ok(Vec::new()) };
    privileged(|| redirect.slots.occupied_of(&redirect.map))
}

/// Returns what the kernel says of the pinned link.
pub(crate) fn link_info(key: Key) -> Result<LinkInfo, Error> {
    Redirect::open_link(&folder(key))?.info()
}

/// Returns whether the program pinned under this key is on an interface, in whichever namespace
/// that is by now.
pub(crate) fn is_attached(key: Key) -> Result<bool, Error> {
    link_info(key).map(|info| info.ifindex != 0)
}

/// Takes the program off the interface and removes its pins. The caller holds the interface's lock.
pub(crate) fn remove(key: Key) {
    let dir = folder(key);
    if let Ok(link) = Redirect::open_link(&dir) {
        // If the detach is refused, the link still goes with its last pin.
        let _ = link.detach();
        failpoint!("end-detached");
    }
    log_unpinned(key, Redirect::unpin(&dir));
}

/// Logs pins that could not be removed. They are residue, which the next request removes.
pub(crate) fn log_unpinned(key: Key, unpinned: Result<(), Error>) {
    if let Err(error) = unpinned {
        Line::new(What::Error).with("pins", folder(key).display()).with("error", error).log();
    }
}
