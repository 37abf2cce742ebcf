// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting other programs: one that is asked, one that is nobody's child, and the one that we
//! become.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::setsid;

use super::packet;

/// How often a child that is about to exit is looked at.
const REAP: Duration = Duration::from_millis(2);

/// Starts `command` in a session of its own, as nobody's child, with copies of the descriptors
/// `keep` and of no others above the streams: whatever the caller has open besides is not its
/// business. Its end leaves no zombie behind and sends no SIGCHLD to what this process becomes. An
/// error of the exec itself is reported.
pub(crate) fn spawn_detached(command: &mut Command, keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let keep: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    let others: Vec<RawFd> =
        open_descriptors()?.into_iter().filter(|fd| !keep.contains(fd)).collect();
    // SAFETY: between fork and exec the closure makes system calls only (setsid, fork, fcntl,
    // _exit); it takes no lock and does not allocate.
    unsafe { command.pre_exec(move || leave(&keep, &others)) };
    command.spawn()?.wait().map(|_| ())
}

/// The descriptors above the streams that this process has open.
fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let names =
        std::fs::read_dir("/proc/self/fd")?.map(|entry| entry.map(|entry| entry.file_name()));
    let numbers =
        names.map(|name| Ok(name?.to_str().and_then(|name| name.parse().ok()).unwrap_or(0)));
    numbers.filter(|number| !matches!(number, Ok(0..=2))).collect()
}

/// Starts a session of its own, and then forks, so that nobody is its parent.
fn leave(keep: &[RawFd], others: &[RawFd]) -> io::Result<()> {
    setsid()?;
    // SAFETY: the calling process has one thread, and both sides go on with system calls only.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        // SAFETY: ends this process without running anything of its parent's.
        _ => unsafe { libc::_exit(0) },
    }
    for fd in keep {
        // SAFETY: the caller borrows these descriptors for as long as the spawn takes, so they are
        // open.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        fcntl_setfd(fd, FdFlags::empty())?;
    }
    for fd in others {
        // SAFETY: the borrow ends with this turn, and where the number is not open any more, the
        // call only fails.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
    }
    Ok(())
}

/// Whether `path` is a file that this process may run.
pub(crate) fn executable(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    Ok(accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// What `program` writes to its standard output, if it does so in time; its other streams are
/// /dev/null.
pub(crate) fn output(program: &Path, arguments: &[&str], patience: Duration) -> Option<String> {
    answers(program, arguments, "", patience)
}

/// The same of a program that reads `input` first, which is short enough for a pipe.
pub(crate) fn answers(
    program: &Path,
    arguments: &[&str],
    input: &str,
    patience: Duration,
) -> Option<String> {
    let deadline = Instant::now() + patience;
    let mut command = Command::new(program);
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    // Kept open until the child has answered: QEMU ends its QMP with its input.
    let mut stdin = child.stdin.take();
    let told = stdin.as_mut().is_none_or(|stdin| stdin.write_all(input.as_bytes()).is_ok());
    let deadline = if told { deadline } else { Instant::now() };
    let text = child.stdout.take().and_then(|out| read_until(out, deadline));
    if !ended(&mut child, if text.is_some() { deadline } else { Instant::now() }) {
        let _ = child.kill();
        let _ = child.wait();
    }
    text
}

/// Waits for the end of `child`, and gives up at the deadline.
fn ended(child: &mut Child, deadline: Instant) -> bool {
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(REAP),
            result => return result.is_ok_and(|status| status.is_some()),
        }
    }
}

fn read_until(mut out: ChildStdout, deadline: Instant) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        packet::ready(out.as_fd(), PollFlags::IN, deadline).ok()?;
        match out.read(&mut buffer) {
            Ok(0) => return String::from_utf8(bytes).ok(),
            Ok(count) => bytes.extend_from_slice(buffer.get(..count)?),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// Becomes `program`; returns only if that failed.
pub(crate) fn become_program(
    program: &OsStr,
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
) -> io::Error {
    Command::new(program).args(arguments).envs(variables.iter().cloned()).exec()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_detached_program_that_is_missing_is_an_error() {
        let error = spawn_detached(&mut Command::new("/nonexistent/program"), &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_detached_program_has_what_is_kept_and_nothing_else() {
        let (near, far) = packet::stream_pair().unwrap();
        let (kept, other) = packet::stream_pair().unwrap();
        fcntl_setfd(&other, FdFlags::empty()).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "ls /proc/$$/fd"]).stdout(Stdio::from(far));
        spawn_detached(&mut command, &[kept.as_fd()]).unwrap();
        drop(command);
        let text = io::read_to_string(File::from(near)).unwrap();
        let has =
            |fd: &std::os::fd::OwnedFd| text.lines().any(|line| line == fd.as_raw_fd().to_string());
        assert!(has(&kept) && !has(&other), "{text}");
    }

    #[test]
    fn a_detached_program_is_nobodys_child() {
        let (near, far) = packet::stream_pair().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo $PPID"]).stdout(Stdio::from(far));
        spawn_detached(&mut command, &[]).unwrap();
        drop(command);
        let text = io::read_to_string(File::from(near)).unwrap();
        assert_ne!(text.trim(), std::process::id().to_string());
    }
}
