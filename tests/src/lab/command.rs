// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that a test runs: as which user, where, with what, and always with a time limit.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use caps::Capability;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::Resource;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::sys::{self, Entry, Ids, Raw};
use super::{Lab, User, wait};

/// A program that is about to run. It starts as root, on the host of the lab, with hardly any
/// environment.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    entry: Entry,
    line: String,
    /// Kept open until the child has its own copies.
    held: Vec<OwnedFd>,
}

impl Lab {
    /// A program of this workspace, or of the system where `name` is none of ours.
    pub fn cmd(&self, name: impl AsRef<OsStr>) -> Cmd {
        let name = name.as_ref();
        let program = match name.to_str() {
            Some(ours @ ("xsk-client" | "xsk-backend" | "xsk-helper")) => {
                self.bin(ours).into_os_string()
            }
            _ => name.to_owned(),
        };
        let mut command = Command::new(&program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.current_dir("/").stdin(Stdio::null());
        Cmd {
            command,
            entry: Entry::default(),
            line: name.to_string_lossy().into_owned(),
            held: Vec::new(),
        }
    }

    /// A program that the lab's ordinary user runs.
    pub fn user_cmd(&self, name: impl AsRef<OsStr>) -> Cmd {
        self.cmd(name).user(&self.user)
    }

    /// A program that root runs in the peer's network namespace.
    pub fn peer_cmd(&self, name: impl AsRef<OsStr>) -> Cmd {
        let mut cmd = self.cmd(name);
        cmd.entry.netns = Some(self.space.peer().as_raw_fd());
        cmd
    }
}

impl Cmd {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.line = format!("{} {}", self.line, arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Adds the words of a text as arguments.
    pub fn words(self, text: &str) -> Self {
        self.args(text.split_whitespace())
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs as this ordinary user, without a capability.
    pub fn user(self, user: &User) -> Self {
        self.ids(user.uid, user.uid, &user.groups)
    }

    /// Runs with these ids, without a capability.
    pub fn ids(mut self, uid: u32, gid: u32, groups: &[u32]) -> Self {
        self.entry.ids = Some(Ids { uid, gid, groups: groups.to_vec() });
        self
    }

    /// Keeps these capabilities, as ambient ones, over the change of user.
    pub fn ambient(mut self, caps: &[Capability]) -> Self {
        self.entry.ambient = caps.to_vec();
        self
    }

    /// Cuts the bounding set down to these.
    pub fn bounding(mut self, caps: &[Capability]) -> Self {
        self.entry.bounding = Some(caps.to_vec());
        self
    }

    /// Sets a resource limit, soft and hard.
    pub fn rlimit(mut self, resource: Resource, limit: u64) -> Self {
        self.entry.rlimits.push((resource, limit));
        self
    }

    /// Gives the child this descriptor as its standard input.
    pub fn stdin(mut self, fd: OwnedFd) -> Self {
        self.command.stdin(fd);
        self
    }

    /// Gives the child this descriptor under its own number.
    pub fn inherit(mut self, fd: OwnedFd) -> Self {
        self.entry.inherit.push(fd.as_raw_fd());
        self.held.push(fd);
        self
    }

    /// Starts the child without this descriptor.
    pub fn close(mut self, fd: RawFd) -> Self {
        self.entry.close.push(fd);
        self
    }

    /// Sets no_new_privs.
    pub fn no_new_privs(mut self) -> Self {
        self.entry.no_new_privs = true;
        self
    }

    /// Starts the child in a session of its own.
    pub fn new_session(mut self) -> Self {
        self.entry.new_session = true;
        self
    }

    /// Starts the child with an alarm pending.
    pub fn alarm(mut self, seconds: u32) -> Self {
        self.entry.alarm = Some(seconds);
        self
    }

    /// Starts the child with every signal ignored.
    pub fn ignore_signals(mut self) -> Self {
        self.entry.ignore_signals = true;
        self
    }

    /// Starts the child with every signal blocked, and pending.
    pub fn pend_signals(mut self) -> Self {
        self.entry.pend_signals = true;
        self
    }

    /// Starts the child as the last to be scheduled: SCHED_IDLE, nice 19, on the first processor
    /// alone, with a timer slack of 1000 seconds, the idle class of I/O, and as the first to go
    /// where memory ends.
    pub fn starved(mut self) -> Self {
        self.entry.starved = true;
        self
    }

    /// Executes `path` with exactly these arguments and this environment, of which there may be
    /// none.
    pub fn execute(mut self, path: &str, argv: &[&[u8]], envp: &[&[u8]]) -> Self {
        let strings = |all: &[&[u8]]| all.iter().map(|s| CString::new(*s).unwrap()).collect();
        self.entry.instead = Some(Raw {
            path: CString::new(path).unwrap(),
            argv: strings(argv),
            envp: strings(envp),
        });
        self
    }

    /// The underlying command, for what this type has no method for.
    pub fn raw(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts it.
    pub fn start(self) -> Running {
        let line = self.line.clone();
        self.try_start().unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    /// Starts it, or says why that failed.
    ///
    /// # Errors
    /// Those of fork and exec.
    pub fn try_start(mut self) -> io::Result<Running> {
        let out = File::from(memfd_create(c"stdout", MFdFlags::MFD_CLOEXEC)?);
        let err = File::from(memfd_create(c"stderr", MFdFlags::MFD_CLOEXEC)?);
        self.command.stdout(out.try_clone()?).stderr(err.try_clone()?);
        sys::prepare(&mut self.command, self.entry);
        let child = self.command.spawn()?;
        Ok(Running { child, out, err, line: self.line, done: None })
    }

    /// Runs it to its end, at most `within`.
    pub fn run(self, within: Duration) -> Done {
        self.start().finish(within)
    }
}

/// A program that runs; killed and reaped when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    out: File,
    err: File,
    line: String,
    done: Option<ExitStatus>,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        content(&self.out)
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        content(&self.err)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        if self.done.is_none() {
            self.done = self.child.try_wait().unwrap();
        }
        self.done.is_none()
    }

    /// Waits until it has written `text`, to whichever stream.
    pub fn says(&mut self, text: &str, within: Duration) {
        let found = wait::wait_quietly(within, || {
            let said = self.stdout().contains(text) || self.stderr().contains(text);
            said || !self.runs()
        });
        let said = self.stdout().contains(text) || self.stderr().contains(text);
        assert!(found && said, "waited for {text:?} from {}", self.describe());
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits for its end, at most `within`, and fails the test otherwise.
    pub fn finish(mut self, within: Duration) -> Done {
        let ended = wait::wait_quietly(within, || !self.runs());
        assert!(ended, "{within:?} were not enough for {}", self.describe());
        let status = self.done.unwrap();
        Done {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            line: std::mem::take(&mut self.line),
        }
    }

    /// Kills it and waits for its end.
    pub fn kill(mut self) -> Done {
        let _ = self.child.kill();
        self.finish(wait::SOON)
    }

    fn describe(&self) -> String {
        format!("{}\n--- stdout\n{}\n--- stderr\n{}", self.line, self.stdout(), self.stderr())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.runs() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    line: String,
}

impl Done {
    /// Fails the test unless it ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless it ended with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{} ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails the test unless it wrote `text` to standard error.
    #[track_caller]
    pub fn err_has(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{} did not say {text:?} but:\n{}",
            self.line,
            self.stderr
        );
        self
    }
}

fn content(file: &File) -> String {
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}
