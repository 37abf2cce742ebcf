// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting other programs: the helper, a process that is nobody's child, and the one that we become.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::setsid;

/// How often a child that is about to exit is looked at.
const REAP: Duration = Duration::from_millis(2);

/// Starts `command` with `stdin` as its standard input and nothing on its standard output.
pub(crate) fn spawn(command: &mut Command, stdin: OwnedFd) -> io::Result<Child> {
    command.stdin(Stdio::from(stdin)).stdout(Stdio::null()).spawn()
}

/// Takes the exit status of `child` once it has one, and gives up at the deadline.
pub(crate) fn reap(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(REAP),
            _ => return None,
        }
    }
}

/// Starts `command` in a session of its own, as nobody's child: its end leaves no zombie behind and sends no
/// SIGCHLD to what this process becomes. An error of the exec itself is reported.
pub(crate) fn spawn_detached(command: &mut Command) -> io::Result<()> {
    // SAFETY: between fork and exec the closure makes system calls only (setsid, fork, _exit); it takes no
    // lock and does not allocate.
    unsafe { command.pre_exec(leave) };
    command.spawn()?.wait().map(|_| ())
}

/// Leaves the session, and then the process that is somebody's child.
fn leave() -> io::Result<()> {
    setsid()?;
    // SAFETY: the calling process has one thread, and both sides go on with system calls only.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(()),
        // SAFETY: ends this process without running anything of its parent's.
        _ => unsafe { libc::_exit(0) },
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
    use super::*;

    #[test]
    fn a_detached_program_that_is_missing_is_an_error() {
        let error = spawn_detached(&mut Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_detached_program_is_nobodys_child() {
        let (near, far) = crate::sys::packet::stream_pair().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo $PPID"]).stdout(Stdio::from(far));
        spawn_detached(&mut command).unwrap();
        drop(command);
        let text = io::read_to_string(std::fs::File::from(near)).unwrap();
        assert_ne!(text.trim(), std::process::id().to_string());
    }
}
