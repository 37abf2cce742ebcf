// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file to replace, under the one lock of all edits. The service must be able to trust it: it
//! belongs to root, in a folder of root's, is writable by nobody else, and is no link.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use xsk_helper::{Code, Refused};

use super::refused;

/// The largest file that the service reads.
const LARGEST: u64 = 1 << 20;
/// The folder whose lock is held during an edit.
const LOCKED: &str = "/etc/xsk-helper";
/// What a new file is like.
const MODE: u32 = 0o644;

pub(super) struct Target {
    path: PathBuf,
    folder: File,
    now: Option<(String, Metadata)>,
    _lock: Flock<File>,
}

impl Target {
    pub(super) fn open(path: &Path) -> Result<Self, Refused> {
        let lock = lock()?;
        let parent = path.parent().unwrap_or(Path::new(LOCKED));
        let folder = File::open(parent).map_err(|error| failed(parent, &error))?;
        let found = folder.metadata().map_err(|error| failed(parent, &error))?;
        trusted(parent, &found)?;
        let now = read(path)?;
        now.as_ref().map_or(Ok(()), |(_, found)| trusted(path, found))?;
        Ok(Self { path: path.to_owned(), folder, now, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it, where there is one.
    pub(super) fn text(&self) -> Option<&String> {
        self.now.as_ref().map(|(text, _)| text)
    }

    /// Owner, group and mode for what comes in its place.
    pub(super) fn owner(&self) -> (u32, u32, u32) {
        self.now
            .as_ref()
            .map_or((0, 0, MODE), |(_, found)| (found.uid(), found.gid(), found.mode() & 0o7777))
    }

    /// Another program may have written to it.
    pub(super) fn is_unchanged(&self) -> Result<(), Refused> {
        if read(&self.path)?.as_ref().map(|(text, _)| text) == self.text() {
            return Ok(());
        }
        let place = self.path.display();
        let message = format!("{place} was changed by somebody else meanwhile");
        Err(refused(Code::Busy, place.to_string(), message, "nothing was changed: edit it again"))
    }

    /// Makes a rename in the folder last over a crash.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}

fn lock() -> Result<Flock<File>, Refused> {
    let folder = File::open(LOCKED).map_err(|error| failed(Path::new(LOCKED), &error))?;
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => {
            let hint = "wait for them to be done; see: lsof /etc/xsk-helper";
            refused(Code::Busy, LOCKED, "somebody else is editing the policy", hint)
        }
        errno => failed(Path::new(LOCKED), &errno.into()),
    })
}

/// The text of a file, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<(String, Metadata)>, Refused> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let found = file.metadata().map_err(|error| failed(path, &error))?;
    let place = path.display().to_string();
    if !found.is_file() {
        return Err(refused(Code::Policy, &place, format!("{place} is not a regular file"), ""));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| failed(path, &error))?;
    if text.len() as u64 > LARGEST {
        return Err(refused(
            Code::Policy,
            &place,
            format!("{place} has more than {LARGEST} bytes"),
            "",
        ));
    }
    Ok(Some((text, found)))
}

/// Returns whether a file or folder belongs to root alone.
pub(super) fn trusted(path: &Path, found: &Metadata) -> Result<(), Refused> {
    if found.uid() == 0 && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let place = path.display();
    let message = format!(
        "{place} does not belong to root alone (uid {}, mode {:04o})",
        found.uid(),
        found.mode() & 0o7777
    );
    let hint = format!("chown root {place} && chmod go-w {place}");
    Err(refused(Code::Policy, place.to_string(), message, hint))
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Refused {
    let place = path.display();
    refused(Code::Policy, place.to_string(), format!("{place}: {error}"), "")
}
