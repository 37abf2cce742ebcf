// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a device's file and socket are, and the manager that runs its unit: the system's for root,
//! the user's for everybody else.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use xsk_command::Failure;
use xsk_proto::exit;

/// The places of one user's devices.
#[derive(Debug)]
pub(super) struct Place {
    system: bool,
    /// The folder of the files.
    pub(super) files: PathBuf,
    sockets: PathBuf,
}

impl Place {
    /// The places that belong to whoever asks.
    pub(super) fn here() -> Result<Self, Failure> {
        if geteuid().is_root() {
            return Ok(Self { system: true, files: "/etc/xsk".into(), sockets: "/run/xsk".into() });
        }
        let home = || absolute("HOME").map(|home| home.join(".config"));
        let files = absolute("XDG_CONFIG_HOME").or_else(home).ok_or_else(|| lacks("HOME"))?;
        let run = absolute("XDG_RUNTIME_DIR").ok_or_else(|| lacks("XDG_RUNTIME_DIR"))?;
        Ok(Self { system: false, files: files.join("xsk"), sockets: run.join("xsk") })
    }

    /// The file with the netdev of a device.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.files.join(format!("{name}.conf"))
    }

    /// The socket of a device.
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.sockets.join(name)
    }

    /// Whether the manager runs that would start units.
    pub(super) fn is_managed(&self) -> bool {
        let user =
            || absolute("XDG_RUNTIME_DIR").is_some_and(|run| run.join("systemd/private").exists());
        if self.system { Path::new("/run/systemd/system").exists() } else { user() }
    }

    /// systemctl(1) for the manager, with what it is to do to the unit of a device.
    pub(super) fn systemctl(&self, words: &[&str], name: &str) -> Command {
        let mut systemctl = Command::new("systemctl");
        if !self.system {
            systemctl.arg("--user");
        }
        systemctl.args(words).arg(format!("xsk-backend@{name}.service"));
        systemctl
    }

    /// What the unit runs, for a machine that has no manager.
    pub(super) fn command(&self, name: &str) -> String {
        let group = if self.system { ",group=kvm" } else { "" };
        format!(
            "mkdir -p {} && xsk-backend --netdev-file {} --peer vhost-user={},mtu=interface{group} --wait",
            self.sockets.display(),
            self.file(name).display(),
            self.socket(name).display(),
        )
    }
}

fn absolute(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn lacks(variable: &str) -> Failure {
    let message = format!("{variable} is not set to a folder, so there is no place for devices");
    Failure::new(exit::CONFIGURATION, "configuration", variable, message)
        .hint("log in as the user whose devices they are, or set it")
}
