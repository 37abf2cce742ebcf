// SPDX-License-Identifier: MIT OR Apache-2.0
//! A control group that can be frozen, as a user's own session can be.

use std::fs;
use std::path::PathBuf;

use nix::mount::{MsFlags, mount};

use super::{Cmd, HELPER, Lab, SOON, User, wait_until};

/// A control group of version 2; thawed and removed when dropped.
#[derive(Debug)]
pub struct Freezer(PathBuf);

impl Lab {
    /// Makes a control group.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn freezer(&self) -> Result<Freezer, String> {
        let root = self.path("cgroup");
        fs::create_dir_all(&root).map_err(|e| e.to_string())?;
        mount(Some("none"), &root, Some("cgroup2"), MsFlags::empty(), None::<&str>)
            .map_err(|e| format!("cgroup2 cannot be mounted: {e}"))?;
        let group = root.join(format!("xsk-lab-{}", self.user.uid));
        fs::create_dir(&group).map_err(|e| format!("{}: {e}", group.display()))?;
        Ok(Freezer(group))
    }

    /// The bare helper, executed by this user inside of the control group.
    pub fn bare_in(&self, freezer: &Freezer, user: &User) -> Cmd {
        self.bin("xsk-helper");
        let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
        let enter = format!("echo $$ >{}/cgroup.procs && exec setpriv \"$@\"", freezer.0.display());
        self.cmd("sh")
            .args(["-c", &enter, "sh", "--reuid", &user.uid.to_string(), "--regid", &user.uid.to_string()])
            .args(["--groups", &groups.join(","), HELPER])
    }
}

impl Freezer {
    /// Stops everything in the group, and waits until all of it stands still.
    pub fn freeze(&self) {
        self.write("1");
        let frozen = || fs::read_to_string(self.0.join("cgroup.events")).unwrap().contains("frozen 1");
        wait_until(SOON, "the group to be frozen", frozen);
    }

    /// Lets everything go on.
    pub fn thaw(&self) {
        self.write("0");
    }

    fn write(&self, value: &str) {
        fs::write(self.0.join("cgroup.freeze"), value).unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        let removed = || fs::remove_dir(&self.0).is_ok();
        super::wait::wait_quietly(SOON, removed);
    }
}
