// SPDX-License-Identifier: MIT OR Apache-2.0
//! The text beside a lease's locks: what a person wants to know and the kernel cannot tell. It
//! decides nothing, and it is shown only while the process that wrote it holds the queues it names.
#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde::Deserialize;

use super::key::Key;
use super::lock_file;
use super::table;

/// What is told of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Record {
    pub(crate) lease: u64,
    pub(crate) uid: u32,
    pub(crate) client: u32,
    pub(crate) keeper: u32,
    pub(crate) first_queue: u32,
    pub(crate) queues: u32,
    /// CLOCK_BOOTTIME in seconds at the grant.
    pub(crate) since: u64,
    pub(crate) rule: String,
    pub(crate) device: bool,
    pub(crate) queue: bool,
    /// Bytes of locked memory that the consumer declared.
    pub(crate) memlock: u64,
    /// The inodes of the sockets, in queue order; none in what an older helper wrote.
    #[serde(default)]
    pub(crate) sockets: Vec<u64>,
}

/// The folder of the texts. Each user has one in it, from which the keepers of that user remove
/// theirs.
pub(crate) const TEXTS: &str = "texts";

fn folder(uid: u32) -> PathBuf {
    lock_file::folder(TEXTS).join(uid.to_string())
}

fn name(key: Key, first_queue: u32) -> String {
    format!("{key}-q{first_queue}.toml")
}

/// The interface and the first queue of a text's name.
pub(crate) fn parse_name(name: &str) -> Option<(Key, u32)> {
    let (key, queue) = name.strip_suffix(".toml")?.rsplit_once("-q")?;
    Some((Key::parse(key)?, queue.parse().ok()?))
}

impl Record {
    /// Writes the text.
    pub(crate) fn write(&self, key: Key) -> io::Result<()> {
        fs::write(folder(self.uid).join(name(key, self.first_queue)), self.text())
    }

    /// As TOML. Written by hand, since a crate's writer would be linked for this alone.
    fn text(&self) -> String {
        let Self {
            lease,
            uid,
            client,
            keeper,
            first_queue,
            queues,
            since,
            rule,
            device,
            queue,
            memlock,
            sockets,
        } = self;
        format!(
            "lease = {lease}\nuid = {uid}\nclient = {client}\nkeeper = {keeper}\nfirst_queue = {first_queue}\n\
             queues = {queues}\nsince = {since}\nrule = \"{}\"\ndevice = {device}\nqueue = {queue}\n\
             memlock = {memlock}\nsockets = {sockets:?}\n",
            escaped(rule)
        )
    }

    /// Reads what the user who holds the lease that begins at a queue has written, if anything.
    pub(crate) fn read(uid: u32, key: Key, first_queue: u32) -> Option<Self> {
        toml::from_str(&fs::read_to_string(folder(uid).join(name(key, first_queue))).ok()?).ok()
    }

    /// What a keeper that holds queues of the interface has written.
    pub(crate) fn of_keeper(key: Key, keeper: u32) -> Option<Self> {
        let holders = table::holders(key).ok()?;
        let first = holders
            .iter()
            .filter(|holder| holder.pid == keeper)
            .min_by_key(|holder| holder.queue)?;
        let record = Self::read(first.uid, key, first.queue)?;
        Some(record).filter(|record| record.keeper == keeper && record.uid == first.uid)
    }

    /// Opens the folder of a user's texts, to remove them from later.
    pub(crate) fn folder(uid: u32) -> io::Result<OwnedFd> {
        lock_file::make_folder(TEXTS)?;
        let folder = folder(uid);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        Ok(OpenOptions::new().read(true).custom_flags(flags).open(folder)?.into())
    }

    /// Removes the text; one that is not there is no error.
    pub(crate) fn remove(folder: &OwnedFd, key: Key, first_queue: u32) -> io::Result<()> {
        match unlinkat(folder, name(key, first_queue).as_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

/// The inside of a basic string of TOML.
fn escaped(text: &str) -> String {
    let mut inside = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => inside.extend(['\\', character]),
            control if control.is_control() => {
                inside.push_str(&format!("\\u{:04X}", u32::from(control)))
            }
            other => inside.push(other),
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_whatever_the_rule_is_called() {
        for rule in ["/etc/xsk-helper/policy.toml:3", "", "a \"b\" \\ \n\t\u{7f}\u{85}ä\u{1b}[2J\0"]
        {
            let record = Record {
                lease: 1 << 60,
                uid: u32::MAX,
                client: 2,
                keeper: 3,
                first_queue: 4,
                queues: 5,
                since: 6,
                rule: rule.to_owned(),
                device: true,
                queue: false,
                memlock: 1 << 40,
                sockets: vec![1 << 50, 7],
            };
            assert_eq!(toml::from_str::<Record>(&record.text()).unwrap(), record);
        }
    }
}
