// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host has around the helper: accounts, sudo's rules, polkit with its bus, and a service
//! manager's socket. All of it is the lab's own: files are covered in its mount namespace, and the
//! daemons end with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use caps::{CapSet, Capability};
use nix::mount::{MsFlags, mount};

use super::wait::{SOON, wait_until};
use super::{HELPER, Lab, Running, SOCKET, bins, sys, ways};

/// Where packages install the helper; the polkit action and the unit name it.
pub const INSTALLED: &str = "/usr/libexec/xsk-helper";

/// What that executes where it is given arguments.
pub const ADMIN: &str = "/usr/libexec/xsk-helper-admin";

/// polkitd and the system bus that it is reached by.
#[derive(Debug)]
pub struct Polkit {
    _polkitd: Running,
    _bus: Running,
}

/// What systemd would be for an `Accept=yes` socket.
#[derive(Debug)]
pub struct Activated {
    /// The process that accepts.
    pub activator: Running,
    /// The capabilities that the unit gives, as far as there are such here.
    pub caps: Vec<Capability>,
}

impl Lab {
    /// Gives the lab's user an entry in the user database, which sudo and pkexec insist on, and
    /// returns its name.
    pub fn account(&self) -> String {
        let (uid, name) = (self.user.uid, format!("lab{}", self.user.uid));
        let known = fs::read_to_string("/etc/passwd").unwrap();
        // `*`: no password, and no entry in the shadow file is looked for.
        self.cover("/etc/passwd", &format!("{known}{name}:*:{uid}:{uid}::/:/bin/sh\n"));
        name
    }

    /// Makes a folder writable in the lab: what is put into it is nowhere else.
    pub fn overlay(&self, dir: &str) {
        let place = self.path(&format!("overlay{}", dir.replace('/', "-")));
        let (upper, work) = (place.join("upper"), place.join("work"));
        fs::create_dir_all(&upper).unwrap();
        fs::create_dir_all(&work).unwrap();
        sys::chmod(&upper, 0o755);
        let options =
            format!("lowerdir={dir},upperdir={},workdir={}", upper.display(), work.display());
        mount(Some("lab"), dir, Some("overlay"), MsFlags::empty(), Some(&*options)).unwrap();
    }

    /// Puts the helper where packages put it, with these mode bits.
    pub fn install_as_packaged(&self, mode: u32) {
        self.install_admin();
        ways::install(&bins::helper(), INSTALLED.as_ref(), mode);
    }

    /// Puts the program that a helper executes for root's commands where it is looked for.
    pub(super) fn install_admin(&self) {
        let covered = self.path("libexec");
        if !covered.exists() {
            cover_folder("/usr/libexec".as_ref(), &covered);
            ways::install(&bins::find("xsk-helper-admin").unwrap(), ADMIN.as_ref(), 0o755);
        }
    }

    /// Installs the helper at [`HELPER`] with file capabilities in the place of setuid, in the
    /// notation of setcap(8).
    pub fn install_helper_with(&self, capabilities: &str) {
        self.install_helper(0o750);
        let done = Command::new("setcap").args([capabilities, HELPER]).output().unwrap();
        assert!(done.status.success(), "setcap: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Lets the user run the installed helper as root, by sudo, without arguments and without a
    /// password.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn sudo(&self) -> Result<(), String> {
        needs(&["/usr/bin/sudo"])?;
        let name = self.account();
        for dir in ["/etc/sudoers.d", "/run/sudo"] {
            fs::create_dir_all(dir).unwrap();
            mount(Some("lab"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
        }
        // It complains of a host that has no address, and would wait where nobody reads that.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        self.cover("/etc/hosts", &format!("127.0.0.1 localhost {host}"));
        let rule = Path::new("/etc/sudoers.d/xsk");
        fs::write(rule, format!("{name} ALL=(root) NOPASSWD: {INSTALLED} \"\"\n")).unwrap();
        sys::chmod(rule, 0o440);
        Ok(())
    }

    /// Starts polkit, with the action of `packaging/polkit` and a rule that lets the user have it.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn polkit(&self) -> Result<Polkit, String> {
        let polkitd = "/usr/lib/polkit-1/polkitd";
        needs(&["/usr/bin/pkexec", "/usr/bin/dbus-daemon", polkitd])?;
        let name = self.account();
        let actions = "/usr/share/polkit-1/actions";
        self.overlay(actions);
        let action = repository().join("packaging/polkit/org.xsk.helper.policy");
        fs::copy(action, format!("{actions}/org.xsk.helper.policy")).unwrap();
        for dir in ["/run/dbus", "/etc/polkit-1/rules.d"] {
            fs::create_dir_all(dir).unwrap();
            mount(Some("lab"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
        }
        let rule = Path::new("/etc/polkit-1/rules.d/10-xsk.rules");
        fs::write(rule, polkit_rule(&name)).unwrap();
        sys::chmod(rule, 0o644);
        let bus = self.cmd("dbus-daemon").args(["--system", "--nofork", "--nopidfile"]).start();
        wait_until(SOON, "the system bus", || Path::new("/run/dbus/system_bus_socket").exists());
        let mut polkitd = self.cmd(polkitd).start();
        polkitd.says("Acquired the name org.freedesktop.PolicyKit1", SOON);
        Ok(Polkit { _polkitd: polkitd, _bus: bus })
    }

    /// Listens as systemd would for the packaged units: a process a connection, as the service
    /// user, with the unit's capabilities, the connection its standard input.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn activate(&self) -> Result<Activated, String> {
        self.activate_at(SOCKET)
    }

    /// The same, at another socket.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn activate_at(&self, socket: &str) -> Result<Activated, String> {
        let activate = "/usr/bin/systemd-socket-activate";
        needs(&[activate])?;
        let caps = unit_caps();
        self.prepare_for_service();
        self.install_as_packaged(0o755);
        let (uid, gid) = ways::service();
        let cmd = self.cmd(activate).args([
            "--accept",
            "--inetd",
            "--seqpacket",
            "-l",
            socket,
            INSTALLED,
        ]);
        let activator =
            cmd.ids(uid.as_raw(), gid.as_raw(), &[]).bounding(&caps).ambient(&caps).start();
        wait_until(SOON, "the socket", || Path::new(socket).exists());
        sys::chmod(Path::new(socket), 0o666);
        Ok(Activated { activator, caps })
    }
}

/// Makes a folder one of the lab's own, with everything that is in it where it was. (An overlay
/// would do, where the kernel has it and the folder is on a file system that can be below one.)
fn cover_folder(folder: &Path, cover: &Path) {
    let bind = |from: &Path, to: &Path| {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(from), to, None::<&str>, flags, None::<&str>).unwrap();
    };
    fs::create_dir_all(folder).unwrap();
    fs::create_dir(cover).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let (from, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        let to = cover.join(from.file_name().unwrap());
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from).unwrap(), &to).unwrap();
            continue;
        }
        if kind.is_dir() { fs::create_dir(&to) } else { fs::write(&to, "") }.unwrap();
        bind(&from, &to);
    }
    bind(cover, folder);
}

fn polkit_rule(user: &str) -> String {
    format!(
        "polkit.addRule(function(action, subject) {{\n    if (action.id == \"org.xsk.helper.run\" && subject.user == \
         \"{user}\") return polkit.Result.YES;\n}});\n"
    )
}

/// The capabilities that the packaged unit names and this machine has.
fn unit_caps() -> Vec<Capability> {
    let unit =
        fs::read_to_string(repository().join("packaging/systemd/xsk-helper@.service")).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("AmbientCapabilities=")).unwrap();
    let here = caps::read(None, CapSet::Permitted).unwrap();
    let named = line.split_whitespace().map(|name| name.parse::<Capability>().unwrap());
    named.filter(|cap| here.contains(cap)).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn needs(programs: &[&str]) -> Result<(), String> {
    let missing = programs.iter().find(|program| !Path::new(program).exists());
    missing.map_or(Ok(()), |program| {
        Err(format!("{program} is missing: tests/scripts/setup.sh check"))
    })
}
