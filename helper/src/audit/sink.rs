// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the lines go: journald, the stream of a manager of services, or syslog. No line holds a
//! grant up. What the log does not take at once is offered again: by a keeper as long as its lease
//! lasts, and by any process for a while at its end.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use super::queue::{Queue, Sent};
use super::{Line, What};

/// journald's native protocol (systemd, `docs/JOURNAL_NATIVE_PROTOCOL.md`).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where syslogd listens (syslog(3); the lines are those of RFC 3164 without the time, which the
/// receiver adds).
const SYSLOG: &str = "/dev/log";

/// How long a process that ends waits for the log.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a process that waits for nothing else checks whether there is room.
const STEP: Duration = Duration::from_millis(1);
const LOOK: u16 = 20;
/// How long it is tried without a pause then.
const BURST: Duration = Duration::from_millis(4);
/// The same for a keeper; it takes an eighth of the time that has passed.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(500);

enum Target {
    Journal(UnixDatagram),
    /// A copy of the standard error that the service manager gave.
    Stream(File),
    Syslog(UnixDatagram),
    /// If there is no stream and nothing listens.
    Standard,
}

struct Sink {
    target: Target,
    queue: Queue,
    /// Since when lines wait.
    since: Option<Instant>,
}

thread_local! {
    static SINK: RefCell<Sink> =
        const { RefCell::new(Sink { target: Target::Standard, queue: Queue::new(), since: None }) };
}

/// Finds where the lines go. Done once, early: a keeper has no way to connect any more. Without a
/// `stream` and without a listener they go to standard error.
pub(crate) fn open(stream: Option<File>) {
    finish();
    let journal = || connect(JOURNAL).map(Target::Journal);
    let syslog = || connect(SYSLOG).map(Target::Syslog);
    let target = journal().or_else(|| stream.map(Target::Stream)).or_else(syslog);
    SINK.with_borrow_mut(|sink| sink.target = target.unwrap_or(Target::Standard));
}

fn connect(path: &str) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(path).ok()?;
    Some(socket)
}

/// Sends a line off after those that wait, or has it wait too.
pub(super) fn put(line: &Line) {
    SINK.with_borrow_mut(|sink| {
        sink.queue.push(sink.target.encode(line));
        sink.send();
    });
}

/// Offers the log again what it has not taken.
pub(crate) fn resend() {
    SINK.with_borrow_mut(Sink::send);
}

/// Returns when that is worth a try; never if no line waits.
pub(crate) fn pause() -> Option<Duration> {
    SINK.with_borrow(|sink| sink.since.map(|since| (since.elapsed() / 8).clamp(SHORTEST, LONGEST)))
}

/// Returns the descriptor that lines are written to if the log is no socket.
pub(crate) fn stream() -> RawFd {
    SINK.with_borrow(|sink| match &sink.target {
        Target::Stream(stream) => stream.as_raw_fd(),
        _ => io::stderr().as_raw_fd(),
    })
}

/// Waits until the log has taken everything, but not for ever: called by each process before it
/// ends.
pub(crate) fn finish() {
    let deadline = Instant::now() + PATIENCE;
    SINK.with_borrow_mut(|sink| {
        sink.send();
        while sink.since.is_some() && Instant::now() < deadline {
            sink.target.wait();
            sink.insist();
        }
    });
}

impl Sink {
    fn send(&mut self) {
        let target = &self.target;
        self.queue.send(|line| target.send(line), |lost| target.encode(&lost_line(lost)));
        self.since =
            if self.queue.is_done() { None } else { self.since.or_else(|| Some(Instant::now())) };
    }

    /// Tries for some milliseconds without a pause. Somebody who floods the log without one takes
    /// every place before a process that sleeps until there is a place.
    fn insist(&mut self) {
        let end = Instant::now() + BURST;
        self.send();
        while self.since.is_some() && Instant::now() < end {
            self.send();
        }
    }
}

fn lost_line(lost: u64) -> Line {
    Line::new(What::Error).with("lost_lines", lost)
}

impl Target {
    fn encode(&self, line: &Line) -> Vec<u8> {
        match self {
            Target::Journal(_) => line.journal(),
            Target::Syslog(_) => line.syslog(),
            Target::Stream(_) | Target::Standard => line.plain(),
        }
    }

    fn send(&self, line: &[u8]) -> Sent {
        match self {
            Target::Journal(socket) | Target::Syslog(socket) => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                outcome(&send(socket.as_raw_fd(), line, flags).map(drop).map_err(Into::into))
            }
            // The stream is open in other processes too, so its mode is not changed.
            Target::Stream(stream) if !has_room(stream.as_fd(), PollTimeout::ZERO) => Sent::Later,
            Target::Stream(stream) => outcome(&{ stream }.write_all(line)),
            Target::Standard => outcome(&io::stderr().write_all(line)),
        }
    }

    /// Until there is room, or for a moment: others wait for that too, and may be quicker.
    fn wait(&self) {
        let ready = match self {
            Target::Journal(socket) | Target::Syslog(socket) => {
                has_room(socket.as_fd(), LOOK.into())
            }
            Target::Stream(stream) => has_room(stream.as_fd(), LOOK.into()),
            Target::Standard => false,
        };
        if !ready {
            sleep(STEP);
        }
    }
}

/// A log that is gone for good holds no process up.
fn outcome(result: &io::Result<()>) -> Sent {
    match result {
        Ok(()) => Sent::Taken,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Sent::Later,
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Sent::Later,
        Err(_) => Sent::Lost,
    }
}

fn has_room(log: BorrowedFd<'_>, patience: PollTimeout) -> bool {
    let mut set = [PollFd::new(log, PollFlags::POLLOUT)];
    poll(&mut set, patience).is_ok_and(|ready| ready > 0)
}
