// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host of one test. [`Lab::new`] makes it, and [`Drop`] removes it and proves that no process
//! stayed.

pub mod afxdp;
pub mod bare;
mod bins;
pub mod command;
pub mod dnsmasq;
pub mod dpdk;
pub mod fake;
mod far;
pub mod foreign;
mod freezer;
pub mod frontend;
mod host;
#[cfg(target_arch = "x86_64")]
pub mod inject;
pub mod kernel;
pub mod libvirt;
pub mod link;
pub mod netdev;
pub mod nic;
mod nss;
pub mod packet;
pub mod proc;
pub mod qmp;
mod release;
pub mod shared_end;
mod skip;
mod space;
mod sys;
pub mod syslog;
pub mod traffic;
pub mod uml;
mod user;
mod userns;
pub mod vhost;
pub mod wait;
mod ways;
pub mod wire;

use std::cell::Cell;
use std::path::{Path, PathBuf};

pub use bins::{
    find as built_program, helper as built_helper, stopping_helper as built_stopping_helper,
    target_dir,
};
pub use command::{Cmd, Done, Running};
pub use far::Far;
pub use freezer::Freezer;
pub use host::{ADMIN, Activated, INSTALLED, Polkit};
pub use link::Veth;
pub use release::release_tree;
pub use skip::{
    elsewhere as say_elsewhere, feature as say_feature, figure as say_figure, say as say_skipped,
};
pub use user::{GROUP, SERVICE, User};
pub use userns::Dropped;
pub use wait::{SOON, Stopper, wait_for, wait_until};
pub use ways::SERVICE_CAPS;
pub use wire::Wire;

/// Where the lab keeps its copies of the binaries and its scratch files, inside its own mount
/// namespace.
pub const DIR: &str = "/run/xsk-lab";

/// The helper as the lab installs it.
pub const HELPER: &str = "/run/xsk-lab/bin/xsk-helper";

/// Where `listen` listens in a lab.
pub const SOCKET: &str = "/run/xsk-helper/socket";

/// The policy that the helper reads.
pub const POLICY: &str = "/etc/xsk-helper/policy.toml";

/// A test's own host. The thread that made it is inside; so are threads and processes that it
/// starts from then on.
#[derive(Debug)]
pub struct Lab {
    space: space::Space,
    /// The ordinary user of this test.
    pub user: User,
    links: Cell<u8>,
}

impl Lab {
    /// Makes the lab, or says why that is not possible here.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn new() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("the lab needs root: run the tests with sudo".into());
        }
        user::accounts()?;
        let user = User::claim()?;
        let space = space::Space::enter().map_err(|e| format!("the lab's namespaces: {e}"))?;
        Ok(Self { space, user, links: Cell::new(0) })
    }

    /// A second ordinary user.
    ///
    /// # Panics
    /// Where no uid is free.
    pub fn another_user(&self) -> User {
        User::claim().unwrap()
    }

    /// Writes the policy, owned by root with mode 0644, and so old that no helper waits for more.
    /// Where no rule of it says how long programs linger, none does, so that a test need not wait
    /// for that.
    pub fn policy(&self, text: &str) {
        let text =
            if text.contains("linger_seconds") { text.to_owned() } else { without_linger(text) };
        std::fs::write(POLICY, text).unwrap();
        sys::chmod(Path::new(POLICY), 0o644);
        self.ages(POLICY);
    }

    /// Makes a file or a folder an old one.
    pub fn ages(&self, path: &str) {
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
        std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    }

    /// The policy of most tests: the lab's user may have `ifname`.
    pub fn allow(&self, ifname: &str) {
        self.policy(&format!(
            "[[allow]]\nusers = [{}]\ninterfaces = [\"{ifname}\"]\n",
            self.user.uid
        ));
    }

    /// The policy for two: any interface, at the same time. Returns the other user.
    pub fn share(&self) -> User {
        let other = self.another_user();
        let users = [self.user.uid, other.uid];
        self.policy(&format!(
            "[[allow]]\nusers = {users:?}\ninterfaces = [\"*\"]\nshared = true\n"
        ));
        other
    }

    /// A path for a scratch file that everybody may read.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(DIR).join(name)
    }

    /// Runs `act` with this thread in the peer's network namespace.
    pub fn in_peer<T>(&self, act: impl FnOnce() -> T) -> T {
        self.space.in_peer(act)
    }

    /// The processes that run the lab's helper: keepers, `listen`, and what has not ended yet. Not
    /// the one that waits for the listener's next client.
    pub fn helpers(&self) -> Vec<proc::Process> {
        self.all_helpers().filter(|p| !p.is_spare()).collect()
    }

    /// The process that waits for the next client of a listener; there is one again soon after a
    /// client came.
    pub fn spare_soon(&self) -> proc::Process {
        let mut found = None;
        wait_until(SOON, "somebody to wait for a client", || {
            found = self.all_helpers().find(|p| p.is_spare());
            found.is_some()
        });
        found.unwrap()
    }

    fn all_helpers(&self) -> impl Iterator<Item = proc::Process> {
        proc::in_namespace(self.space.host_id())
            .filter(|p| p.runs("xsk-helper") || p.runs("xsk-helper-admin"))
    }

    /// Every process on the lab's host but the test itself.
    pub fn processes(&self) -> Vec<proc::Process> {
        proc::in_namespace(self.space.host_id()).filter(|p| !p.is_self()).collect()
    }

    /// Covers a file with another content, in the lab alone.
    pub fn cover(&self, file: &str, content: &str) {
        let cover = self.path(&file.replace('/', "-"));
        std::fs::write(&cover, content).unwrap();
        sys::chmod(&cover, 0o644);
        let bind = nix::mount::MsFlags::MS_BIND;
        nix::mount::mount(Some(&cover), file, None::<&str>, bind, None::<&str>).unwrap();
    }

    /// The keepers: helpers that are not in `not`, usually the process that listens.
    pub fn keepers(&self, not: &[u32]) -> Vec<proc::Process> {
        self.helpers().into_iter().filter(|p| !not.contains(&p.pid)).collect()
    }

    /// The pins that stand in the helper's bpffs: files, not folders, and not the bind guard, which
    /// stays.
    pub fn pins(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::from("/run/xsk-helper/bpf")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                // The kernel itself puts `maps.debug` and `progs.debug` there; nobody else can use
                // a dot.
                let is_kernels = entry.file_name().as_encoded_bytes().contains(&b'.');
                let is_guard = entry.file_name().to_string_lossy().starts_with("guard-");
                match (is_folder && !is_guard, is_kernels || is_guard) {
                    (true, _) => folders.push(entry.path()),
                    (false, false) => found.push(entry.path()),
                    (false, true) => {}
                }
            }
        }
        found
    }

    /// Waits until nothing is left of any lease: no process but those in `but`, no program on the
    /// interface, no pin. That is also what a refusal leaves.
    pub fn nothing_left(&self, ifname: &str, but: &[u32]) {
        self.no_helpers_but(but);
        self.no_program(ifname);
        let gone = wait::wait_quietly(SOON, || self.pins().is_empty());
        assert!(gone, "pins are left: {:?}", self.pins());
    }

    /// Waits until no helper runs any more but those in `but`.
    pub fn no_helpers_but(&self, but: &[u32]) {
        wait_until(SOON, "every other helper to end", || {
            self.helpers().iter().all(|p| but.contains(&p.pid))
        });
    }
}

/// The policy with a linger of 0 at the end of each allow rule.
fn without_linger(text: &str) -> String {
    let mut lines = Vec::new();
    let mut allows = false;
    for line in text.lines() {
        if line.starts_with('[') {
            lines.extend(allows.then_some("linger_seconds = 0"));
            allows = line == "[[allow]]";
        }
        lines.push(line);
    }
    lines.extend(allows.then_some("linger_seconds = 0"));
    lines.join("\n") + "\n"
}

impl Drop for Lab {
    /// Every process in the lab's namespaces is ended, and one that should have ended by itself
    /// fails the test.
    fn drop(&mut self) {
        let gone = wait::wait_quietly(SOON, || self.processes().is_empty());
        let left = self.processes();
        let names: Vec<String> = left.iter().map(|p| p.describe()).collect();
        left.iter().for_each(|p| p.kill());
        if !gone && !std::thread::panicking() {
            panic!("the test left processes behind: {}", names.join(", "));
        }
    }
}

/// Makes a [`Lab`], or skips the test.
#[macro_export]
macro_rules! lab {
    () => {
        match $crate::lab::Lab::new() {
            Ok(lab) => lab,
            Err(why) => $crate::skip!("{why}"),
        }
    };
}

/// Ends the test here, says on standard error what did not run and why, and fails where `CI` is
/// `true`.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        $crate::lab::say_skipped(&format!($($why)*));
        return;
    }};
}
