// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the policy's files, and only what nobody but root can have written. What is checked is the open
//! descriptor, so nothing can be put in its place afterwards.

use std::fs::{File, OpenOptions};
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

impl Policy {
    /// Reads a policy file and the `policy.d` beside it.
    pub(crate) fn load_from(path: &Path) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        check_folder(folder)?;
        add_file(&mut policy, path)?;
        for file in includes(&folder.join(paths::POLICY_FOLDER))? {
            add_file(&mut policy, &file)?;
        }
        Ok(policy)
    }
}

fn failed(path: &Path, message: impl ToString) -> PolicyError {
    PolicyError { place: path.display().to_string(), message: message.to_string() }
}

fn open(path: &Path, flags: i32) -> Result<File, PolicyError> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => failed(path, "it is a symbolic link"),
        _ => failed(path, error),
    })
}

/// A folder that others can write to is one in which they can replace the file.
fn check_folder(path: &Path) -> Result<(), PolicyError> {
    let file = open(path, libc::O_DIRECTORY)?;
    check_owner(path, &file)
}

fn check_owner(path: &Path, file: &File) -> Result<(), PolicyError> {
    let found = file.metadata().map_err(|error| failed(path, error))?;
    if found.uid() != 0 {
        return Err(failed(path, format!("it belongs to uid {} and not to root (chown root)", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(failed(path, format!("others than root can write to it (mode {mode:04o}; chmod go-w)")));
    }
    Ok(())
}

fn add_file(policy: &mut Policy, path: &Path) -> Result<(), PolicyError> {
    let file = open(path, 0)?;
    check_owner(path, &file)?;
    let found = file.metadata().map_err(|error| failed(path, error))?;
    if !found.is_file() {
        return Err(failed(path, "it is not a regular file"));
    }
    if found.len() > LARGEST {
        return Err(failed(path, format!("it has {} bytes; a policy has at most {LARGEST}", found.len())));
    }
    let mut text = String::new();
    match file.take(LARGEST).read_to_string(&mut text) {
        Ok(_) => policy.add(&path.display().to_string(), &text),
        Err(error) => Err(failed(path, error)),
    }
}

/// The files of policy.d in the order of their names; a folder that does not exist has none.
fn includes(folder: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    if matches!(folder.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Ok(Vec::new());
    }
    check_folder(folder)?;
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
