// SPDX-License-Identifier: MIT OR Apache-2.0
//! The copy that is edited. It is beside the file, so that it can replace the file in one step, and
//! has a name that the service does not read. It is removed with this value, unless it has replaced
//! the file.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use xsk_helper::{Code, Refused};

use super::refused;
use super::target::{Target, failed, read};

pub(super) struct Draft(PathBuf);

impl Draft {
    /// A copy of a file. A copy that a killed edit left behind is removed.
    pub(super) fn of(target: &Target) -> Result<Self, Refused> {
        let draft = Self(beside(target.path(), ".edit"));
        write(&draft.0, target.text().map_or("", String::as_str), (0, 0, 0o600))
            .map_err(|error| failed(&draft.0, &error))?;
        Ok(draft)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The edited text. An editor may have put another file in its place.
    pub(super) fn text(&self) -> Result<String, Refused> {
        let place = self.0.display().to_string();
        let gone = || refused(Code::Policy, &place, format!("the editor removed {place}"), "");
        read(&self.0)?.map(|(text, _)| text).ok_or_else(gone)
    }

    /// Replaces the file by this text. A new file, of which no process has a descriptor, is written
    /// in full before it gets the name.
    pub(super) fn replace(&self, target: &Target, text: &str) -> Result<(), Refused> {
        let new = beside(target.path(), ".new");
        write(&new, text, target.owner())
            .and_then(|()| fs::rename(&new, target.path()))
            .and_then(|()| target.sync())
            .map_err(|error| failed(target.path(), &error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Writes a new file in the place of whatever has the name, down to the disk.
fn write(path: &Path, text: &str, (uid, gid, mode): (u32, u32, u32)) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    fchown(&file, Some(uid), Some(gid))?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}
