// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways in: the helper installed with its bits for an exec, and the one that listens.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use caps::Capability;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::Resource;
use nix::unistd::{Gid, Uid, chown};

use super::wire::{self, Wire};
use super::{Cmd, DIR, HELPER, Lab, Running, SOCKET, SOON, User, bins, sys, user};

/// What a helper that is its service user from the start needs.
pub const SERVICE_CAPS: [Capability; 3] =
    [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];

impl Lab {
    /// Installs the helper at [`HELPER`], owned by root and the group `xsk`, with these mode bits.
    pub fn install_helper(&self, mode: u32) {
        install(&bins::find("xsk-helper").unwrap(), HELPER.as_ref(), mode);
        self.install_admin();
    }

    /// Installs the build of the helper that stands still where `failpoint` says so, setuid, beside
    /// the other.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn install_stopping_helper(&self) -> Result<PathBuf, String> {
        let path = self.path("failpoints/xsk-helper");
        install(&bins::stopping_helper()?, &path, 0o4750);
        Ok(path)
    }

    /// One of our programs, where every user can execute it, whatever the modes above the build
    /// folder.
    pub fn bin(&self, name: &str) -> PathBuf {
        let path = PathBuf::from(DIR).join("bin").join(name);
        if !path.exists() && name == "xsk-helper" {
            self.install_helper(0o4750);
        } else if !path.exists() {
            let built = bins::find(name).unwrap();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(&path).unwrap();
            mount(Some(&built), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        path
    }

    /// A copy of a program that every user can execute.
    pub fn copy(&self, program: &Path, name: &str) -> PathBuf {
        let path = self.path(name);
        install(program, &path, 0o755);
        path
    }

    /// A script that every user can execute.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let source = self.path(&format!("{name}.text"));
        fs::write(&source, text).unwrap();
        self.copy(&source, name)
    }

    /// Mounts the bpffs that the packages' mount unit would mount.
    pub fn mount_bpffs(&self) {
        let dir = "/run/xsk-helper/bpf";
        fs::create_dir_all(dir).unwrap();
        mount(Some("bpf"), dir, Some("bpf"), MsFlags::empty(), Some("mode=0700")).unwrap();
        let (uid, gid) = service();
        chown(dir, Some(uid), Some(gid)).unwrap();
    }

    /// Starts `xsk-helper listen` as root, and waits until it can be reached.
    pub fn listen(&self) -> Running {
        self.listen_with(&[])
    }

    /// Starts `xsk-helper listen` as root with further options.
    pub fn listen_with(&self, options: &[&str]) -> Running {
        self.listener().args(options).start_listening(self)
    }

    /// Starts `xsk-helper listen` as root under a resource limit.
    pub fn listen_under(&self, resource: Resource, limit: u64) -> Running {
        self.listener().rlimit(resource, limit).start_listening(self)
    }

    /// Starts `xsk-helper listen` as its service user, with the capabilities of [`SERVICE_CAPS`]
    /// and no others, after making the folders that the packages would have made.
    pub fn listen_as_service(&self) -> Running {
        self.prepare_for_service();
        self.as_service(self.listener()).start_listening(self)
    }

    /// Makes the folders that the packages would have made, for a helper that is its service user
    /// from the start.
    pub fn prepare_for_service(&self) {
        let (uid, gid) = service();
        self.mount_bpffs();
        let leases = "/run/xsk-helper/leases";
        fs::create_dir_all(leases).unwrap();
        sys::chmod(leases.as_ref(), 0o700);
        chown(leases, Some(uid), Some(gid)).unwrap();
        chown("/run/xsk-helper", Some(uid), Some(gid)).unwrap();
        self.install_helper(0o755);
    }

    /// Has a program run as the service user with the capabilities that a unit would give it.
    pub fn as_service(&self, cmd: Cmd) -> Cmd {
        let (uid, gid) = service();
        cmd.ids(uid.as_raw(), gid.as_raw(), &[]).ambient(&SERVICE_CAPS)
    }

    fn listener(&self) -> Cmd {
        self.cmd("xsk-helper").args(["listen", "--socket", SOCKET, "--socket-mode", "0666"])
    }

    /// A connection of the lab's user to the one who listens.
    pub fn wire(&self) -> Wire {
        Wire::connect_as(SOCKET, &self.user)
    }

    /// The bare helper, as it would be executed by this user, with its standard input still to be
    /// given.
    pub fn bare(&self, user: &User) -> Cmd {
        self.cmd("xsk-helper").user(user)
    }

    /// Runs the setuid helper for this user, over a socket pair of the user's own.
    pub fn exec(&self, user: &User) -> (Wire, Running) {
        let (ours, theirs): (Wire, OwnedFd) = wire::pair(user);
        let running = self.bare(user).stdin(theirs).start();
        (ours, running)
    }

    /// `xsk-client` as the lab's user, with the setuid helper: `subcommand` and what follows are
    /// the caller's.
    pub fn client(&self, subcommand: &str) -> Cmd {
        self.bin("xsk-helper");
        self.user_cmd("xsk-client").arg(subcommand).args(["--helper", HELPER])
    }
}

pub(super) fn service() -> (Uid, Gid) {
    let user = nix::unistd::User::from_name(user::SERVICE).unwrap().unwrap();
    (user.uid, user.gid)
}

/// By a process of its own: a descriptor open for writing here would go along with any fork of
/// another test, and a file that is open for writing cannot be executed.
pub(super) fn install(built: &Path, place: &Path, mode: u32) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let mode = format!("{mode:o}");
    let options = ["--owner=root", "--group", user::GROUP, "--mode", &mode];
    let done = Command::new("install").args(options).args([built, place]).output().unwrap();
    assert!(done.status.success(), "install: {}", String::from_utf8_lossy(&done.stderr));
}

impl Cmd {
    /// Starts a listener, and waits until it can be reached and is alone again.
    fn start_listening(self, lab: &Lab) -> Running {
        let mut running = self.start();
        // The socket is there a little before everything else is.
        running.says("listening on", SOON);
        drop(Wire::connect(SOCKET));
        lab.no_helpers_but(&[running.pid()]);
        running
    }
}
