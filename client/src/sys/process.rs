// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting the helper, and what it leaves behind.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

/// How often a child that is about to exit is looked at.
const REAP: Duration = Duration::from_millis(2);

/// Starts `command` with `stdin` as its standard input and nothing on its standard output.
pub(crate) fn spawn(command: &mut Command, stdin: OwnedFd) -> io::Result<Child> {
    command.stdin(Stdio::from(stdin)).stdout(Stdio::null()).spawn()
}

/// A file without a name, for what a program writes to its standard error: unlike a pipe it takes
/// everything, and at any time, so nobody has to read it.
pub(crate) fn scratch() -> io::Result<File> {
    Ok(memfd_create("xsk-client", MemfdFlags::CLOEXEC)?.into())
}

/// The last line that was written to a file.
pub(crate) fn last_line(file: &mut File) -> Option<String> {
    file.rewind().ok()?;
    let mut bytes = Vec::new();
    file.take(1 << 16).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
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
