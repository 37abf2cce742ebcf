// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the policy's files, and only what nobody but root can have written. What is checked is the open
//! descriptor, so nothing can be put in its place afterwards.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::parse::PolicyError;
use super::rule::Policy;
use crate::paths;

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;
/// The most files in policy.d.
const MOST_FILES: usize = 256;

/// The text of each file, with its name, as they were read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Texts(Vec<(String, String)>);

impl Texts {
    /// Reads a policy file and the `policy.d` beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, PolicyError> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        check_folder(folder, folder.symlink_metadata())?;
        let mut texts = vec![read(path)?];
        for file in includes(&folder.join(paths::POLICY_FOLDER))? {
            texts.push(read(&file)?);
        }
        Ok(Self(texts))
    }

    /// What they say.
    pub(crate) fn parse(&self) -> Result<Policy, PolicyError> {
        let mut policy = Policy::default();
        self.0.iter().try_for_each(|(place, text)| policy.add(place, text)).map(|()| policy)
    }
}

impl Policy {
    /// Reads a policy file and the `policy.d` beside it.
    pub(crate) fn load_from(path: &Path) -> Result<Self, PolicyError> {
        Texts::read(path)?.parse()
    }
}

fn failed(path: &Path, message: impl ToString) -> PolicyError {
    PolicyError { place: path.display().to_string(), message: message.to_string() }
}

fn open(path: &Path) -> Result<File, PolicyError> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => failed(path, "it is a symbolic link"),
        _ => failed(path, error),
    })
}

/// A folder that others can write to is one in which they can replace the file. It is looked at by its path, as the
/// files in it are opened by theirs.
fn check_folder(path: &Path, found: io::Result<Metadata>) -> Result<(), PolicyError> {
    let found = found.map_err(|error| failed(path, error))?;
    if !found.is_dir() {
        return Err(failed(path, "it is not a folder"));
    }
    check_owner(path, &found)
}

fn check_owner(path: &Path, found: &Metadata) -> Result<(), PolicyError> {
    if found.uid() != 0 {
        return Err(failed(path, format!("it belongs to uid {} and not to root (chown root)", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(failed(path, format!("others than root can write to it (mode {mode:04o}; chmod go-w)")));
    }
    Ok(())
}

fn read(path: &Path) -> Result<(String, String), PolicyError> {
    let file = open(path)?;
    let found = file.metadata().map_err(|error| failed(path, error))?;
    check_owner(path, &found)?;
    if !found.is_file() {
        return Err(failed(path, "it is not a regular file"));
    }
    if found.len() > LARGEST {
        return Err(failed(path, format!("it has {} bytes; a policy has at most {LARGEST}", found.len())));
    }
    // With room for what is there, and for nothing behind it: so it takes two reads.
    let mut text = String::with_capacity(found.len() as usize + 64);
    match file.take(LARGEST).read_to_string(&mut text) {
        Ok(_) => Ok((path.display().to_string(), text)),
        Err(error) => Err(failed(path, error)),
    }
}

/// The files of policy.d in the order of their names; a folder that does not exist has none.
fn includes(folder: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => check_folder(folder, found)?,
    }
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > MOST_FILES { Err(failed(folder, "it has more than 256 files")) } else { Ok(files) }
}
