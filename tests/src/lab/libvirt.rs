// SPDX-License-Identifier: MIT OR Apache-2.0
//! libvirt's session mode: a daemon of the lab's ordinary user, its client, and guests that read
//! files for as long as they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::resource::Resource;
use nix::sys::signal::Signal;

use super::wait::wait_quietly;
use super::{Cmd, Done, Lab, Running, SOON, Veth, wait_until};

/// The daemon.
const LIBVIRTD: &str = "/usr/sbin/libvirtd";

/// What a guest does: it reads a file again and again, which takes frames both ways.
pub const ASKS: &str = "#!ipxe
:again
imgfetch --name probe tftp://${next-server}/lab.ipxe ||
imgfree probe ||
sleep 1
goto again
";

/// A daemon of the lab's user.
#[derive(Debug)]
pub struct Libvirt<'a> {
    lab: &'a Lab,
    daemon: Option<Running>,
}

impl Lab {
    /// Starts libvirtd for the lab's user.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn libvirt(&self) -> Result<Libvirt<'_>, String> {
        let missing = [LIBVIRTD, "/usr/bin/virsh", super::vhost::QEMU].map(Path::new);
        if let Some(path) = missing.into_iter().find(|path| !path.exists()) {
            return Err(format!("{} is missing: tests/scripts/setup.sh check", path.display()));
        }
        let name = self.account();
        // libvirt wants a name for the group too.
        let groups = fs::read_to_string("/etc/group").unwrap();
        self.cover("/etc/group", &format!("{groups}{name}:x:{}:\n", self.user.uid));
        for folder in ["home", "runtime"] {
            self.folder_of_user(folder);
        }
        let mut libvirt = Libvirt { lab: self, daemon: None };
        libvirt.start();
        Ok(libvirt)
    }

    /// A folder that is the lab's user's alone.
    fn folder_of_user(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(self.user.uid), Some(self.user.uid)).unwrap();
        super::sys::chmod(&folder, 0o700);
        folder
    }

    /// A command in a session of the lab's user.
    pub fn in_session(&self, cmd: Cmd) -> Cmd {
        cmd.env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env("XDG_CONFIG_HOME", self.path("home").join(".config"))
    }

    /// What `xsk-client device` prints, in a session of the lab's user.
    pub fn device(&self, words: &[&str]) -> Done {
        self.in_session(self.user_cmd("xsk-client").arg("device").args(words)).run(SOON)
    }

    /// What the packaged user unit runs for a device.
    pub fn device_unit(&self, name: &str) -> Cmd {
        let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../packaging/systemd-user/xsk-backend@.service");
        let unit = fs::read_to_string(unit).unwrap();
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/xsk-backend "))
            .unwrap();
        let line = line
            .replace("%E", &self.path("home").join(".config").display().to_string())
            .replace("%t", &self.path("runtime").display().to_string())
            .replace("%i", name);
        // RuntimeDirectory=.
        self.folder_of_user("runtime/xsk");
        let cmd = self.user_cmd("xsk-backend").words(&line).no_new_privs();
        self.in_session(cmd).rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20)
    }
}

impl Libvirt<'_> {
    /// Starts the daemon, and waits until it answers.
    ///
    /// # Panics
    /// It does not.
    pub fn start(&mut self) {
        let daemon = self.lab.in_session(self.lab.user_cmd(LIBVIRTD).new_session()).start();
        let answers = || self.command(&["uri"]).run(SOON).status.success();
        let answered = wait_quietly(SOON * 3, answers);
        assert!(
            answered,
            "libvirtd does not answer: {} {}",
            daemon.stderr(),
            self.command(&["uri"]).run(SOON).stderr
        );
        self.daemon = Some(daemon);
    }

    /// Ends the daemon by a signal. Its domains go on.
    pub fn stop(&mut self, signal: Signal) {
        let daemon = self.daemon.take().unwrap();
        daemon.signal(signal);
        daemon.finish(SOON * 3);
    }

    /// Ends the daemon, and the one for logs that it started.
    pub fn end(mut self) {
        self.stop(Signal::SIGTERM);
        let logs = || self.lab.processes().into_iter().find(|process| process.runs("virtlogd"));
        logs().into_iter().for_each(|process| process.signal(Signal::SIGTERM));
        wait_until(SOON, "virtlogd to end", || logs().is_none());
    }

    /// virsh(1) of the lab's user.
    pub fn command(&self, words: &[&str]) -> Cmd {
        // A virsh that finds no daemon starts one of its own, unless it is told not to.
        let virsh = self.lab.user_cmd("virsh").env("LIBVIRT_AUTOSTART", "0");
        self.lab.in_session(virsh).args(["-c", "qemu:///session"]).args(words)
    }

    /// Runs a command of virsh that has to succeed, and returns what it printed.
    ///
    /// # Panics
    /// It fails.
    pub fn virsh(&self, words: &[&str]) -> String {
        self.command(words).run(SOON * 3).ok().stdout
    }

    /// Defines a domain with no disk, and the elements that `xsk-client device add` printed.
    pub fn define(&self, name: &str, printed: &str) {
        let (memory, card) = printed.split_once("<!-- in <devices> -->").unwrap();
        let file = self.lab.path(&format!("{name}.xml"));
        fs::write(&file, domain(name, memory, card)).unwrap();
        self.virsh(&["define", &file.display().to_string()]);
    }

    /// The process of a domain's QEMU. Before its first start the daemon asks the emulator what it
    /// can do, which takes some seconds.
    pub fn qemu(&self, name: &str) -> Option<i32> {
        let file = self.lab.path("runtime").join(format!("libvirt/qemu/run/{name}.pid"));
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }
}

fn domain(name: &str, memory: &str, card: &str) -> String {
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  {memory}
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='network'/></os>
  <features><acpi/></features>
  <devices>
    <emulator>{}</emulator>
    {card}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>",
        super::vhost::QEMU
    )
}

/// The guest behind a cable, seen by the files that its server has sent.
#[derive(Debug)]
pub struct Reads {
    dnsmasq: Running,
    limit: Duration,
}

impl Reads {
    /// A server of [`ASKS`] at the far end of a cable.
    pub fn on(lab: &Lab, veth: &Veth) -> Self {
        Self { dnsmasq: lab.dnsmasq(veth, ASKS), limit: Duration::from_secs(180) }
    }

    fn count(&self) -> usize {
        self.dnsmasq.stderr().matches("sent /run/xsk-lab/tftp/").count()
    }

    /// Waits until the guest has read two more files: one may have been under way. The limits of
    /// later waits follow the time that the first boot takes.
    pub fn go_on(&mut self, after: &str) {
        let before = self.count();
        let start = Instant::now();
        wait_until(self.limit, after, || self.count() > before + 1);
        self.limit = self.limit.min((start.elapsed() * 8).max(Duration::from_secs(60)));
        super::say_figure(&format!("{after}: {:.1} s", start.elapsed().as_secs_f64()));
    }
}
