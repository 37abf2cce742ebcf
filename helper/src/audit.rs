// SPDX-License-Identifier: MIT OR Apache-2.0
//! One structured line for every grant, refusal, end and revoke: to journald as fields where it is there; otherwise to
//! the stream of whoever manages the service, or to syslog where nobody does. Values are quoted and escaped, so nothing
//! that a client sends can forge a line.

use std::cell::RefCell;
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// journald's native protocol (systemd, `docs/JOURNAL_NATIVE_PROTOCOL.md`).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Where syslogd listens (syslog(3); the lines are those of RFC 3164 without the time, which the receiver adds).
const SYSLOG: &str = "/dev/log";
/// LOG_AUTHPRIV.
const FACILITY: u8 = 10;

/// Where the lines go.
enum Sink {
    Journal(UnixDatagram),
    /// A copy of the standard error of whoever started the service.
    Stream(File),
    Syslog(UnixDatagram),
}

thread_local! {
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// Finds where the lines go. Done once, early: a keeper has no way to connect any more. Where nobody gave a `stream`
/// and nobody listens, they go to standard error.
pub(crate) fn open(stream: Option<File>) {
    let journal = || connect(JOURNAL).map(Sink::Journal);
    let syslog = || connect(SYSLOG).map(Sink::Syslog);
    SINK.set(journal().or_else(|| stream.map(Sink::Stream)).or_else(syslog));
}

fn connect(path: &str) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(path).ok()?;
    // A log that does not keep up must not hold a grant up.
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// Whether a line can be written at once. The stream is open in other processes too, so its mode is not changed.
fn has_room(stream: &File) -> bool {
    let mut set = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    poll(&mut set, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// What the line is about, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Grant,
    Refuse,
    End,
    Event,
    Revoke,
    Reap,
    Error,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            What::Grant => "grant",
            What::Refuse => "refuse",
            What::End => "end",
            What::Event => "event",
            What::Revoke => "revoke",
            What::Reap => "reap",
            What::Error => "error",
        }
    }

    /// The syslog priority: notice for what was done, warning for what was not.
    const fn priority(self) -> u8 {
        match self {
            What::Refuse | What::Event => 4,
            What::Error => 3,
            _ => 5,
        }
    }
}

/// A line in the making.
#[derive(Debug)]
pub(crate) struct Line {
    what: What,
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    pub(crate) fn new(what: What) -> Self {
        Self { what, text: what.word().to_owned(), fields: Vec::new() }
    }

    /// Adds a field. Its name is ours; its value may be anybody's.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let value = value.to_string();
        let plain =
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        // Writing to a string does not fail.
        let _ =
            if plain { write!(self.text, " {name}={value}") } else { write!(self.text, " {name}={value:?}") };
        self.fields.push((name, value));
        self
    }

    /// Sends it off; a log that cannot be written to stops nothing.
    pub(crate) fn log(self) {
        let line = format!("xsk-helper: {}\n", self.text);
        SINK.with_borrow_mut(|sink| match sink {
            Some(Sink::Journal(socket)) => drop(socket.send(&self.journal())),
            Some(Sink::Syslog(socket)) => drop(socket.send(self.syslog(&line).as_bytes())),
            Some(Sink::Stream(stream)) if has_room(stream) => drop(stream.write_all(line.as_bytes())),
            Some(Sink::Stream(_)) => {}
            None => drop(std::io::stderr().write_all(line.as_bytes())),
        });
    }

    fn syslog(&self, line: &str) -> String {
        format!("<{}>{}", FACILITY * 8 + self.what.priority(), line.trim_end())
    }

    /// `NAME=value`, and for a value with a line break its length in front, so that it stays one field.
    fn journal(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(512);
        let mut field = |name: &str, value: &str| {
            packet.extend_from_slice(name.as_bytes());
            if value.contains('\n') {
                packet.push(b'\n');
                packet.extend_from_slice(&(value.len() as u64).to_le_bytes());
            } else {
                packet.push(b'=');
            }
            packet.extend_from_slice(value.as_bytes());
            packet.push(b'\n');
        };
        field("MESSAGE", &self.text);
        field("PRIORITY", &self.what.priority().to_string());
        field("SYSLOG_IDENTIFIER", "xsk-helper");
        field("XSK_ACTION", self.what.word());
        for (name, value) in &self.fields {
            field(&format!("XSK_{}", name.to_ascii_uppercase()), value);
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_forge_a_line() {
        let line =
            Line::new(What::Refuse).with("uid", 1000).with("interface", "x\nPRIORITY=0\ngrant uid=0 \"");
        assert_eq!(line.text, r#"refuse uid=1000 interface="x\nPRIORITY=0\ngrant uid=0 \"""#);
        let packet = line.journal();
        let text = String::from_utf8_lossy(&packet);
        assert!(text.starts_with("MESSAGE=refuse uid=1000 interface=\"x\\n"), "{text}");
        assert!(text.contains("XSK_INTERFACE\n\u{1a}\0\0\0\0\0\0\0x\nPRIORITY=0"), "{text:?}");
    }
}
