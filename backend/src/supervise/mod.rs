// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--supervise`: this process moves no frames. It starts one that does, and another one when that
//! dies: the first has the sockets that were inherited, each later one acquires a new lease of the
//! same queues, since a socket that was bound once serves nobody else.
#![forbid(unsafe_code)]

mod syslog;
mod words;

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use xsk_client::lease_fds;
use xsk_client::proto::exit;
use xsk_command::say;

use crate::cli::Cli;
use crate::error::{self, Error, OTHER, PROGRAM};
use crate::life::Life;
use crate::signals::{Arrived, Signals};
use crate::{held_lease, source};

/// Before the first new start, and the longest such pause; each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// A process that has worked for so long did not fail at its start.
const STEADY: Duration = Duration::from_secs(10);

/// How long a process may take to end when it is told to.
const LAST: Duration = Duration::from_secs(11);

/// After these ends nothing is gained by another start: what was asked for, a wrong command line,
/// and a revoke or a policy that says no.
const FINAL: [u8; 3] = [DONE, exit::USAGE, exit::DENIED];

/// It ended because it was asked to.
const DONE: u8 = 0;

/// Runs and watches processes until they are not wanted any more; returns the exit status.
///
/// # Errors
/// A descriptor cannot be taken over, or the program cannot be started.
pub(crate) fn run(cli: &Cli, words: &[OsString]) -> Result<u8, Error> {
    let (life, given) = take_over(cli)?;
    if cli.life.syslog {
        syslog::begin()?;
    }
    cli.life.open_log()?;
    let mut supervisor = Supervisor { life, signals: Signals::listen()?, worked: false };
    let status = supervisor.until_the_end(cli, words, given);
    remove_folder(cli);
    status
}

/// The descriptors that this process needs itself, and those for the first process.
fn take_over(cli: &Cli) -> Result<(Life, Vec<OwnedFd>), Error> {
    let sockets = source::numbers(&source::parse_all(&cli.netdev)?)?;
    let connections = held_lease::connections_of(&sockets).into_iter().flatten().collect();
    let first = [sockets.concat(), connections, Vec::from_iter(cli.peer.inherited())].concat();
    let [while_open, notify] = cli.life.inherited();
    let own: Vec<RawFd> = while_open.into_iter().chain(notify).collect();
    let mut all = source::adopt(&[first.clone(), own].concat())?;
    let mut own = all.split_off(first.len()).into_iter();
    let [while_open, notify] = [while_open, notify].map(|number| number.and_then(|_| own.next()));
    // Each process ends with the same pipe.
    let mut inherited = all.iter().chain(&while_open);
    inherited.try_for_each(pass_on).map_err(|errno| failed("pass a descriptor on", errno))?;
    Ok((Life::of([while_open, notify]), all))
}

fn pass_on(fd: &OwnedFd) -> Result<(), Errno> {
    fcntl_setfd(fd, FdFlags::empty())
}

/// Why a process is not watched any more.
enum End {
    /// It ended by itself.
    Own(ExitStatus),
    /// It is not wanted any more.
    Unwanted,
}

struct Supervisor {
    life: Life,
    signals: Signals,
    /// A process was ready once.
    worked: bool,
}

impl Supervisor {
    fn until_the_end(
        &mut self,
        cli: &Cli,
        words: &[OsString],
        mut given: Vec<OwnedFd>,
    ) -> Result<u8, Error> {
        let mut next = words::first(words);
        let mut pause = PAUSES.0;
        loop {
            let start = Instant::now();
            let (child, ready) = spawn(&next, !given.is_empty())?;
            // Sockets end with the last copy of them.
            given.clear();
            let End::Own(status) = self.watch(child, ready)? else { return Ok(DONE) };
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(OTHER);
            if self.life.is_over() {
                return Ok(DONE);
            }
            // It has said itself why it cannot work, and the program that waits for it hears of it.
            if !self.worked {
                return Ok(code);
            }
            if FINAL.contains(&code) || cli.peer.inherited().is_some() {
                say(PROGRAM, &format!("the backend {}; it is not started again", how(status)));
                return Ok(code);
            }
            pause = if start.elapsed() > STEADY { PAUSES.0 } else { pause };
            say(PROGRAM, &format!("the backend {}; starting it again", how(status)));
            if self.is_unwanted_within(pause)? {
                return Ok(DONE);
            }
            pause = (pause * 2).min(PAUSES.1);
            next = words::again(words);
        }
    }

    /// Watches one process to its end.
    fn watch(&mut self, mut child: Child, ready: OwnedFd) -> Result<End, Error> {
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|errno| failed("watch a process", errno))?;
        let mut ready = Some(ready);
        loop {
            if let Some(status) =
                child.try_wait().map_err(|error| failed("wait for a process", error))?
            {
                return Ok(End::Own(status));
            }
            if self.is_unwanted(Some(pid)) {
                end(&mut child, &ended, pid)?;
                return Ok(End::Unwanted);
            }
            if ready
                .as_ref()
                .is_some_and(|pipe| rustix::io::read(pipe, &mut [0; 1]) != Err(Errno::AGAIN))
            {
                // A process that ends without a word has closed it too.
                let is_alive = child.try_wait().is_ok_and(|status| status.is_none());
                ready = None;
                if is_alive {
                    self.worked = true;
                    self.life.is_ready();
                }
                continue;
            }
            self.sleep([Some(ended.as_fd()), ready.as_ref().map(AsFd::as_fd)], None)?;
        }
    }

    /// Whether a signal or the end of the other end says so. Other signals are passed on.
    fn is_unwanted(&self, child: Option<Pid>) -> bool {
        match self.signals.arrived() {
            Some(Arrived::End(_)) => return true,
            Some(Arrived::Statistics) => {
                let _ = child.map(|child| kill_process(child, Signal::USR1));
            }
            None => {}
        }
        self.life.is_over()
    }

    fn is_unwanted_within(&self, pause: Duration) -> Result<bool, Error> {
        let until = Instant::now() + pause;
        while !self.is_unwanted(None) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.sleep([None, None], Some(left))?;
        }
        Ok(true)
    }

    fn sleep(&self, on: [Option<BorrowedFd<'_>>; 2], limit: Option<Duration>) -> Result<(), Error> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let readable = self.signals.descriptors().chain(on.into_iter().flatten());
        let mut fds: Vec<_> =
            readable.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        fds.extend(
            self.life.descriptor().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())),
        );
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(failed("poll", errno)),
        }
    }
}

fn failed(step: &str, error: impl Into<std::io::Error>) -> Error {
    error::io("", step, error)
}

/// Starts a process with these words, and returns it with the pipe on which it says that it works.
fn spawn(words: &[OsString], is_first: bool) -> Result<(Child, OwnedFd), Error> {
    let (ready, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|errno| failed("make a pipe", errno))?;
    pass_on(&theirs).map_err(|errno| failed("pass a descriptor on", errno))?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(PROGRAM)
        .args(words)
        .args(["--notify-fd", &theirs.as_raw_fd().to_string()])
        .stdin(Stdio::null());
    if !is_first {
        command.env_remove(lease_fds::VARIABLE);
    }
    let child = command.spawn().map_err(|error| failed("start this program again", error))?;
    Ok((child, ready))
}

/// Ends a process, by force where it does not follow.
fn end(child: &mut Child, ended: &OwnedFd, pid: Pid) -> Result<(), Error> {
    let _ = kill_process(pid, Signal::TERM);
    let limit = Timespec::try_from(LAST).ok();
    let _ = poll(&mut [PollFd::new(ended, PollFlags::IN)], limit.as_ref());
    let _ = kill_process(pid, Signal::KILL);
    child.wait().map(drop).map_err(|error| failed("wait for a process", error))
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// Removes the socket and its folder; somebody may have done so already.
fn remove_folder(cli: &Cli) {
    if let Some(folder) = &cli.life.folder {
        let _ = cli.peer.socket().map(std::fs::remove_file);
        let _ = std::fs::remove_dir(folder);
    }
}
