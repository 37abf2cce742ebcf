// SPDX-License-Identifier: MIT OR Apache-2.0
//! A control group that can be frozen, killed or given a quota, as a user's own session can be.

use std::fs;
use std::path::{Path, PathBuf};

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
        self.control_group(&self.path("cgroup"))
    }

    /// Makes a control group where the hierarchy usually is, so that the helper finds it.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn usual_control_group(&self) -> Result<Freezer, String> {
        self.control_group(Path::new("/sys/fs/cgroup"))
    }

    fn control_group(&self, root: &Path) -> Result<Freezer, String> {
        fs::create_dir_all(root).map_err(|e| e.to_string())?;
        mount(Some("none"), root, Some("cgroup2"), MsFlags::empty(), None::<&str>)
            .map_err(|e| format!("cgroup2 cannot be mounted: {e}"))?;
        let group = root.join(format!("xsk-lab-{}", self.user.uid));
        fs::create_dir(&group).map_err(|e| format!("{}: {e}", group.display()))?;
        Ok(Freezer(group))
    }

    /// The bare helper, executed by this user inside of the control group.
    pub fn bare_in(&self, freezer: &Freezer, user: &User) -> Cmd {
        self.bin("xsk-helper");
        self.user_cmd_in(freezer, user).arg(HELPER)
    }

    /// The program that the first argument names, executed by this user inside of the control
    /// group.
    pub fn user_cmd_in(&self, freezer: &Freezer, user: &User) -> Cmd {
        let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
        let enter = format!("echo $$ >{}/cgroup.procs && exec setpriv \"$@\"", freezer.0.display());
        self.cmd("sh")
            .args([
                "-c",
                &enter,
                "sh",
                "--reuid",
                &user.uid.to_string(),
                "--regid",
                &user.uid.to_string(),
            ])
            .args(["--groups", &groups.join(",")])
    }
}

impl Freezer {
    /// Stops everything in the group, and waits until all of it stands still.
    pub fn freeze(&self) {
        self.write("1");
        let frozen =
            || fs::read_to_string(self.0.join("cgroup.events")).unwrap().contains("frozen 1");
        wait_until(SOON, "the group to be frozen", frozen);
    }

    /// Kills everything in the group.
    pub fn kill(&self) {
        fs::write(self.0.join("cgroup.kill"), "1").unwrap();
    }

    /// Gives the group this many milliseconds of processor time in each second.
    ///
    /// # Errors
    /// A sentence, where the hierarchy does not have the controller.
    pub fn quota(&self, milliseconds: u32) -> Result<(), String> {
        let root = self.0.parent().unwrap();
        let added = fs::write(root.join("cgroup.subtree_control"), "+cpu");
        added.map_err(|e| format!("no quota by control groups of version 2: {e}"))?;
        fs::write(self.0.join("cpu.max"), format!("{} 1000000", milliseconds * 1000))
            .map_err(|e| e.to_string())
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<u32> {
        let all = fs::read_to_string(self.0.join("cgroup.procs")).unwrap();
        all.lines().map(|line| line.parse().unwrap()).collect()
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
