// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accounts: the service user and the group that the packages would have made, and one ordinary uid
//! a test.

use std::fs::{File, OpenOptions};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Group;

/// The service user of the helper.
pub const SERVICE: &str = "_xsk-helper";

/// The group whose members may run the setuid helper.
pub const GROUP: &str = "xsk";

const FIRST: u32 = 60000;
const COUNT: u32 = 4000;

/// An ordinary uid (its gid has the same number, and it is a member of the group `xsk`), this
/// test's alone.
#[derive(Debug)]
pub struct User {
    /// The uid.
    pub uid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
    /// Held while the uid is in use, and freed by the kernel whatever becomes of the test.
    _claim: Option<Flock<File>>,
}

impl User {
    /// Claims a uid that no running test has.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn claim() -> Result<Self, String> {
        let xsk = Group::from_name(GROUP).ok().flatten().ok_or("the group xsk is missing")?;
        let dir = std::env::temp_dir().join("xsk-lab-uids");
        std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let claimed = (FIRST..FIRST + COUNT).find_map(|uid| {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(dir.join(uid.to_string()))
                .ok()?;
            Some((uid, Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()?))
        });
        let (uid, claim) = claimed.ok_or_else(|| format!("no uid from {FIRST} on is free"))?;
        Ok(Self { uid, groups: vec![xsk.gid.as_raw()], _claim: Some(claim) })
    }

    /// A user with a certain uid, which is not claimed.
    pub fn with_uid(uid: u32, groups: Vec<u32>) -> Self {
        Self { uid, groups, _claim: None }
    }
}

/// Makes the service user and the group where they are missing.
pub(super) fn accounts() -> Result<(), String> {
    let lock =
        File::create(std::env::temp_dir().join("xsk-lab-accounts")).map_err(|e| e.to_string())?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| e.to_string())?;
    if Group::from_name(GROUP).ok().flatten().is_none() {
        tool("groupadd", &["--system", GROUP])?;
    }
    if nix::unistd::User::from_name(SERVICE).ok().flatten().is_none() {
        let options =
            ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"];
        tool("useradd", &[&options[..], &["--shell", "/usr/sbin/nologin", SERVICE]].concat())?;
    }
    Ok(())
}

fn tool(name: &str, args: &[&str]) -> Result<(), String> {
    let done = Command::new(name).args(args).output().map_err(|e| format!("{name}: {e}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() { Ok(()) } else { Err(format!("{name} {}: {said}", args.join(" "))) }
}
