// SPDX-License-Identifier: MIT OR Apache-2.0
//! What /proc says about a process: the tests trust the kernel and not what the programs say about
//! themselves.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process, known by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// The number.
    pub pid: u32,
}

/// The capability sets of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Inheritable.
    pub inheritable: u64,
    /// Permitted.
    pub permitted: u64,
    /// Effective.
    pub effective: u64,
    /// Bounding.
    pub bounding: u64,
    /// Ambient.
    pub ambient: u64,
}

impl Caps {
    /// No capability in any set.
    pub const NONE: Caps =
        Caps { inheritable: 0, permitted: 0, effective: 0, bounding: 0, ambient: 0 };
}

/// Every process (threads are not listed) whose network namespace has this number.
pub fn in_namespace(id: u64) -> Box<dyn Iterator<Item = Process>> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    Box::new(pids.map(Process::new).filter(move |p: &Process| p.netns() == Some(id) && p.is_live()))
}

impl Process {
    /// The process with this number.
    pub const fn new(pid: u32) -> Self {
        Self { pid }
    }

    fn read(self, file: &str) -> String {
        fs::read(format!("/proc/{}/{file}", self.pid))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn link(self, file: &str) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/{file}", self.pid)).ok()
    }

    /// A line of /proc/PID/status; empty where the process is gone.
    pub fn status(self, field: &str) -> String {
        let all = self.read("status");
        let line = all.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    /// Whether it exists and is no zombie.
    pub fn is_live(self) -> bool {
        !matches!(self.status("State").bytes().next(), None | Some(b'Z' | b'X'))
    }

    /// Waits until a keeper has taken its last step into isolation: the sockets are handed over
    /// before it.
    pub fn settled(self) -> Self {
        super::wait_until(super::SOON, "the keeper's seccomp list", || {
            self.status("Seccomp") == "2"
        });
        self
    }

    /// Whether this is the test itself.
    pub fn is_self(self) -> bool {
        self.pid == std::process::id()
    }

    /// Whether the file that it executes has this name. One that ends has lost its memory, and with
    /// it the file, before its descriptors; it goes by its own name then.
    pub fn runs(self, name: &str) -> bool {
        match self.link("exe") {
            Some(exe) => exe.file_name().is_some_and(|n| n == name),
            None => self.is_live() && self.read("comm").trim_end() == name,
        }
    }

    /// Whether it waits for the next client of a listener, whose name it bears until then.
    pub fn is_spare(self) -> bool {
        [self, Self::new(self.parent())].iter().all(|p| p.read("comm").trim_end() == "xsk-listen")
    }

    /// The number of its network namespace.
    pub fn netns(self) -> Option<u64> {
        Some(fs::metadata(format!("/proc/{}/ns/net", self.pid)).ok()?.ino())
    }

    /// Its parent.
    pub fn parent(self) -> u32 {
        self.status("PPid").parse().unwrap_or(0)
    }

    /// Its session.
    pub fn session(self) -> u32 {
        let stat = self.read("stat");
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(3)?.parse().ok())
            .unwrap_or(0)
    }

    /// Its uids: real, effective, saved, filesystem.
    pub fn uids(self) -> Vec<u32> {
        self.status("Uid").split_whitespace().filter_map(|n| n.parse().ok()).collect()
    }

    /// Its capability sets.
    pub fn caps(self) -> Caps {
        let set = |name| u64::from_str_radix(&self.status(name), 16).unwrap_or(u64::MAX);
        Caps {
            inheritable: set("CapInh"),
            permitted: set("CapPrm"),
            effective: set("CapEff"),
            bounding: set("CapBnd"),
            ambient: set("CapAmb"),
        }
    }

    /// Its open descriptors and what they are.
    pub fn fds(self) -> Vec<(u32, String)> {
        let dir = format!("/proc/{}/fd", self.pid);
        let mut fds: Vec<(u32, String)> = fs::read_dir(dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let what = fs::read_link(entry.path()).ok()?;
                Some((
                    entry.file_name().to_str()?.parse().ok()?,
                    what.to_string_lossy().into_owned(),
                ))
            })
            .collect();
        fds.sort();
        fds
    }

    /// How many descriptors it has open and its resident memory in KiB, once it has slept for 20
    /// looks: a listener works off its backlog after the last client has gone.
    pub fn at_rest(self) -> (usize, u64) {
        let switches = || self.status("voluntary_ctxt_switches");
        super::wait_until(super::SOON * 3, "the process to come to rest", || {
            let before = switches();
            (0..20).all(|_| {
                super::wait::pause();
                switches() == before && self.status("State").starts_with('S')
            })
        });
        (self.fds().len(), self.rss())
    }

    /// How many descriptors it has once that number rests.
    pub fn fds_at_rest(self) -> usize {
        let mut seen = 0;
        super::wait_until(super::SOON, "the number of descriptors to rest", || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            std::mem::replace(&mut seen, self.fds().len()) == seen
        });
        seen
    }

    /// Its resident memory in KiB.
    pub fn rss(self) -> u64 {
        kib(&self.status("VmRSS"))
    }

    /// Its proportional memory in KiB.
    pub fn pss(self) -> u64 {
        let all = self.read("smaps_rollup");
        all.lines().find_map(|l| l.strip_prefix("Pss:")).map_or(0, |rest| kib(rest.trim()))
    }

    /// The processor time that it has used, in ticks of 10 ms: user and system.
    pub fn ticks(self) -> (u64, u64) {
        let stat = self.read("stat");
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let field =
            |n: usize| rest.split_whitespace().nth(n).and_then(|f| f.parse().ok()).unwrap_or(0);
        (field(11), field(12))
    }

    /// The same in one number, with that of the children that it has waited for.
    pub fn ticks_with_children(self) -> u64 {
        let stat = self.read("stat");
        let rest = stat.rsplit(')').next().unwrap_or_default();
        rest.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
    }

    /// Kills it.
    pub fn kill(self) {
        let _ = kill(Pid::from_raw(self.pid as i32), Signal::SIGKILL);
    }

    /// Sends it a signal.
    pub fn signal(self, signal: Signal) {
        kill(Pid::from_raw(self.pid as i32), signal).unwrap();
    }

    /// Stops it, until it is told to go on.
    pub fn freeze(self) {
        self.signal(Signal::SIGSTOP);
        super::wait_until(super::SOON, "the process to stand still", || {
            let tasks =
                fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
            let stat = |task: fs::DirEntry| {
                fs::read_to_string(task.path().join("stat")).unwrap_or_default()
            };
            tasks
                .map(stat)
                .all(|stat| stat.rsplit(')').next().is_none_or(|rest| rest.starts_with(" T")))
        });
    }

    /// Number, command line and state, for messages.
    pub fn describe(self) -> String {
        let line = self.read("cmdline").replace('\0', " ");
        format!("{} ({}; {})", self.pid, line.trim(), self.status("State"))
    }
}

fn kib(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
