// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard error, line by line, to the system's log: journald and syslogd both listen at the same
//! path. Whatever the processes below the supervisor write goes the same way, a panic too.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::dup2_stderr;

use crate::error::{self, Error, PROGRAM};

/// syslog(3).
const PATH: &str = "/dev/log";

/// LOG_DAEMON and LOG_NOTICE (RFC 3164).
const PRIORITY: u8 = 3 << 3 | 5;

/// Replaces standard error. Where nobody listens to the system's log the lines are lost.
///
/// # Errors
/// No pipe or thread can be made.
pub(super) fn begin() -> Result<(), Error> {
    let (lines, ours) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| error::io("", "make a pipe", errno))?;
    let failed =
        |error: std::io::Error| error::io("", "send standard error to the system's log", error);
    dup2_stderr(&ours).map_err(|errno| failed(errno.into()))?;
    let builder = std::thread::Builder::new().name("syslog".into());
    builder.spawn(move || pass_on(File::from(lines))).map(drop).map_err(failed)
}

fn pass_on(lines: File) {
    let mut socket = None;
    for line in BufReader::new(lines).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        // Twice: the log may have been started again since the last line.
        let _ = send(&mut socket, &line) || send(&mut socket, &line);
    }
}

/// Sends one line; a connection that fails is made anew the next time.
fn send(socket: &mut Option<UnixDatagram>, line: &str) -> bool {
    if socket.is_none() {
        *socket = UnixDatagram::unbound().and_then(|new| new.connect(PATH).map(|()| new)).ok();
    }
    let text = line.strip_prefix(PROGRAM).map_or(line, |rest| rest.trim_start_matches(": "));
    let packet = format!("<{PRIORITY}>{PROGRAM}[{}]: {text}", std::process::id());
    let sent = socket.as_ref().is_some_and(|socket| socket.send(packet.as_bytes()).is_ok());
    if !sent {
        *socket = None;
    }
    sent
}
