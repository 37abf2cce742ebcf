// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the policy's files, and only what root alone can have written. What is checked is the open
//! descriptor, and files are opened in the folder that was checked, so nothing can be put in their
//! place afterwards.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

use super::parse::PolicyError;
use super::rule::Policy;
use super::unreadable;
use crate::paths;

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;
/// The most files in policy.d.
const MOST_FILES: usize = 256;

/// How old a change has to be before a file is taken as complete. An editor that writes in place,
/// or a script that appends a deny rule after an allow rule, takes less time.
const SETTLED: Duration = Duration::from_secs(1);

/// The text of each file, with its name, as they were read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Texts(Vec<(String, String)>);

impl Texts {
    /// Reads a policy file and the `policy.d` beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, PolicyError> {
        Self::read_with_time(path).map(|(texts, _)| texts)
    }

    /// The same. If a file was changed within the last second, it waits until that second is over
    /// and reads all of them again, once. `edit-policy`, or a rename of what was written elsewhere,
    /// is whole at any time.
    pub(crate) fn read_settled(path: &Path) -> Result<Self, PolicyError> {
        let (texts, changed) = Self::read_with_time(path)?;
        match unsettled(changed, SystemTime::now()) {
            None => Ok(texts),
            Some(rest) => {
                std::thread::sleep(rest);
                Self::read(path)
            }
        }
    }

    /// With the time of the last change.
    fn read_with_time(path: &Path) -> Result<(Self, SystemTime), PolicyError> {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = Folder::open(AT_FDCWD, parent.as_os_str(), parent.to_owned())?
            .ok_or_else(|| failed(parent, Errno::ENOENT))?;
        let (text, mut changed) = folder.read(path.file_name().unwrap_or_default())?;
        let mut texts = vec![text];
        let more = OsStr::new(paths::POLICY_FOLDER);
        if let Some(more) = Folder::open(&folder.file, more, parent.join(more))? {
            changed = changed.max(more.changed);
            for name in more.names()? {
                let (text, time) = more.read(&name)?;
                texts.push(text);
                changed = changed.max(time);
            }
        }
        Ok((Self(texts), changed))
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

/// How long until a change is a second old. One in the future, by a clock that was set back, is as
/// good as old.
fn unsettled(changed: SystemTime, now: SystemTime) -> Option<Duration> {
    let age = now.duration_since(changed).ok()?;
    SETTLED.checked_sub(age).filter(|rest| !rest.is_zero())
}

fn changed(path: &Path, found: &std::fs::Metadata) -> Result<SystemTime, PolicyError> {
    found.modified().map_err(|error| failed(path, error))
}

/// The kernel does not let it be read.
fn failed(path: &Path, error: impl Into<io::Error>) -> PolicyError {
    let error = error.into();
    PolicyError { errno: error.raw_os_error(), ..refused(path, error) }
}

/// It can be read and is not to be used.
fn refused(path: &Path, message: impl ToString) -> PolicyError {
    PolicyError { place: path.display().to_string(), message: message.to_string(), errno: None }
}

fn open_at(folder: impl AsFd, name: &OsStr, flags: OFlag) -> Result<OwnedFd, Errno> {
    openat(folder, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// Refuses a file or a folder that is not root's, or that others can write to.
fn check_owner(path: &Path, file: &File) -> Result<std::fs::Metadata, PolicyError> {
    let found = file.metadata().map_err(|error| failed(path, error))?;
    trusted(found.uid(), found.mode()).map_err(|why| refused(path, why))?;
    Ok(found)
}

/// Returns why others than root could have written it, or could have put another file in its place.
fn trusted(uid: u32, mode: u32) -> Result<(), String> {
    if uid != 0 {
        return Err(format!("it belongs to uid {uid} and not to root (chown root)"));
    }
    if mode & 0o022 != 0 {
        let mode = mode & 0o7777;
        return Err(format!("others than root can write to it (mode {mode:04o}; chmod go-w)"));
    }
    Ok(())
}

/// Refuses more bytes than a policy has.
fn check_size(path: &Path, bytes: u64) -> Result<(), PolicyError> {
    if bytes <= LARGEST {
        return Ok(());
    }
    Err(refused(path, format!("it has {bytes} bytes; a policy has at most {LARGEST}")))
}

/// Returns whether policy.d has this file read: as the shell's *.toml has it, so without what
/// editors leave.
fn is_policy(name: &OsStr) -> bool {
    let hidden = name.as_bytes().starts_with(b".");
    !hidden && Path::new(name).extension().is_some_and(|extension| extension == "toml")
}

/// A folder in which only root can replace a file.
struct Folder {
    file: File,
    path: PathBuf,
    /// When a file was last put into it or taken away.
    changed: SystemTime,
}

impl Folder {
    /// The folder of this name in another, if there is one; `path` is for people.
    fn open(parent: impl AsFd, name: &OsStr, path: PathBuf) -> Result<Option<Self>, PolicyError> {
        let file = match open_at(parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        let changed = changed(&path, &check_owner(&path, &file)?)?;
        Ok(Some(Self { file, path, changed }))
    }

    /// The policies in it, in the order of their names.
    fn names(&self) -> Result<Vec<OsString>, PolicyError> {
        let failed = |error: Errno| {
            let barred =
                (error == Errno::EACCES).then(|| unreadable::folder(&self.file, &self.path));
            barred.flatten().unwrap_or_else(|| failed(&self.path, error))
        };
        let mut entries =
            Dir::openat(&self.file, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
                .map_err(failed)?;
        let mut names = Vec::new();
        for entry in entries.iter() {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if is_policy(name) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        if names.len() > MOST_FILES {
            return Err(refused(&self.path, format!("it has more than {MOST_FILES} files")));
        }
        Ok(names)
    }

    /// The place and the text of a file, and when it was changed.
    fn read(&self, name: &OsStr) -> Result<((String, String), SystemTime), PolicyError> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(open_at(&self.file, name, flags).map_err(|error| {
            match error {
                Errno::ELOOP => refused(&path, "it is a symbolic link"),
                Errno::EACCES => unreadable::file(&self.file, &self.path, name)
                    .unwrap_or_else(|| failed(&path, error)),
                _ => failed(&path, error),
            }
        })?);
        let found = check_owner(&path, &file)?;
        if !found.is_file() {
            return Err(refused(&path, "it is not a regular file"));
        }
        check_size(&path, found.len())?;
        // Room for the whole file and for the read that finds its end, so it takes two reads.
        let mut text = String::with_capacity(found.len() as usize + 64);
        let read = file
            .take(LARGEST + 1)
            .read_to_string(&mut text)
            .map_err(|error| failed(&path, error))?;
        // It may have grown meanwhile, and a part of a policy can say the opposite of the whole.
        check_size(&path, read as u64)?;
        Ok(((path.display().to_string(), text), changed(&path, &found)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roots_own_file_is_trusted() {
        assert_eq!((trusted(0, 0o100_644), trusted(0, 0o40_755)), (Ok(()), Ok(())));
        for (uid, mode) in
            [(1, 0o100_644), (0, 0o100_664), (0, 0o100_646), (0, 0o100_620), (0, 0o1_777)]
        {
            assert!(trusted(uid, mode).is_err(), "{uid} {mode:o}");
        }
    }

    #[test]
    fn an_error_says_the_mode_and_keeps_the_errno() {
        assert!(trusted(0, 0o100_664).unwrap_err().contains("mode 0664;"));
        let error = failed(Path::new("policy.toml"), Errno::EACCES);
        assert_eq!(error.errno, Some(libc::EACCES));
        assert_eq!(refused(Path::new("policy.toml"), "it is a link").errno, None);
    }

    #[test]
    fn a_policy_has_a_largest_size() {
        let size = |bytes| check_size(Path::new("policy.toml"), bytes);
        assert!(size(0).is_ok() && size(LARGEST).is_ok());
        assert_eq!(
            size(LARGEST + 1).unwrap_err().message,
            "it has 1048577 bytes; a policy has at most 1048576"
        );
    }

    #[test]
    fn what_an_editor_leaves_is_no_policy() {
        let is = |name: &str| is_policy(OsStr::new(name));
        assert!(is("10-alice.toml") && is("a.b.toml"));
        assert!(
            ["", ".toml", ".a.toml", "a.toml~", "a.toml.swp", "toml", "a"]
                .into_iter()
                .all(|name| !is(name))
        );
    }

    #[test]
    fn a_change_settles_within_a_second_and_one_in_the_future_has() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ago = |milliseconds| now - Duration::from_millis(milliseconds);
        assert_eq!(unsettled(ago(0), now), Some(SETTLED));
        assert_eq!(unsettled(ago(400), now), Some(Duration::from_millis(600)));
        assert_eq!(unsettled(ago(1000), now), None);
        assert_eq!(unsettled(ago(100_000), now), None);
        assert_eq!(unsettled(now + Duration::from_nanos(1), now), None);
    }
}
