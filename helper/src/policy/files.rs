// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the policy's files, and only what nobody but root can have written. What is checked is the open
//! descriptor, and files are opened in the folder that was checked, so nothing can be put in their place afterwards.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

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
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = Folder::open(AT_FDCWD, parent.as_os_str(), parent.to_owned())
            .map_err(|error| failed(parent, io::Error::from(error)))??;
        let mut texts = vec![folder.read(path.file_name().unwrap_or_default())?];
        if let Some(more) = folder.folder(paths::POLICY_FOLDER)? {
            for name in more.names()? {
                texts.push(more.read(&name)?);
            }
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

fn open_at(folder: impl AsFd, name: &OsStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat(folder, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// Neither of files nor of the folders that they are in.
fn check_owner(path: &Path, file: &File) -> Result<std::fs::Metadata, PolicyError> {
    let found = file.metadata().map_err(|error| failed(path, error))?;
    if found.uid() != 0 {
        return Err(failed(path, format!("it belongs to uid {} and not to root (chown root)", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(failed(path, format!("others than root can write to it (mode {mode:04o}; chmod go-w)")));
    }
    Ok(found)
}

/// A folder in which nobody but root can put a file in the place of another.
struct Folder {
    file: File,
    path: PathBuf,
}

impl Folder {
    fn open(parent: impl AsFd, name: &OsStr, path: PathBuf) -> Result<Result<Self, PolicyError>, Errno> {
        let file = File::from(open_at(parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY)?);
        Ok(check_owner(&path, &file).map(|_| Self { file, path }))
    }

    /// The folder of this name, if there is one.
    fn folder(&self, name: &str) -> Result<Option<Self>, PolicyError> {
        let path = self.path.join(name);
        match Self::open(&self.file, OsStr::new(name), path.clone()) {
            Ok(opened) => opened.map(Some),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(failed(&path, io::Error::from(error))),
        }
    }

    /// The policies in it, in the order of their names.
    fn names(&self) -> Result<Vec<OsString>, PolicyError> {
        let failed = |error: Errno| failed(&self.path, io::Error::from(error));
        let mut entries = Dir::openat(&self.file, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(failed)?;
        let mut names = Vec::new();
        for entry in entries.iter() {
            let entry = entry.map_err(failed)?;
            let name = Path::new(OsStr::from_bytes(entry.file_name().to_bytes()));
            if name.extension().is_some_and(|extension| extension == "toml") {
                names.push(name.as_os_str().to_owned());
            }
        }
        names.sort();
        if names.len() > MOST_FILES {
            return Err(self::failed(&self.path, format!("it has more than {MOST_FILES} files")));
        }
        Ok(names)
    }

    /// The place and the text of a file.
    fn read(&self, name: &OsStr) -> Result<(String, String), PolicyError> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(open_at(&self.file, name, flags).map_err(|error| match error {
            Errno::ELOOP => failed(&path, "it is a symbolic link"),
            _ => failed(&path, io::Error::from(error)),
        })?);
        let found = check_owner(&path, &file)?;
        if !found.is_file() {
            return Err(failed(&path, "it is not a regular file"));
        }
        if found.len() > LARGEST {
            return Err(failed(
                &path,
                format!("it has {} bytes; a policy has at most {LARGEST}", found.len()),
            ));
        }
        // With room for what is there, and for nothing behind it: so it takes two reads.
        let mut text = String::with_capacity(found.len() as usize + 64);
        match file.take(LARGEST).read_to_string(&mut text) {
            Ok(_) => Ok((path.display().to_string(), text)),
            Err(error) => Err(failed(&path, error)),
        }
    }
}
