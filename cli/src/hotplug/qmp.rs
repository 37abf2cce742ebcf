// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's machine protocol, as much of it as a hot-plug needs: a greeting, commands, events, and
//! descriptors beside a command. No call waits past its deadline.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xsk_client::{Error, Kind};

use crate::sys::packet;

/// How long QEMU may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest line that is read: QEMU's answers here are short.
const MAX_LINE: usize = 1 << 20;

/// A connection that has been greeted.
#[derive(Debug)]
pub(super) struct Qmp {
    stream: UnixStream,
    path: String,
    unread: Vec<u8>,
    events: VecDeque<Value>,
    /// The class of the last error, of which QEMU tells a few apart.
    class: String,
}

impl Qmp {
    /// Connects, and leaves the negotiation behind.
    pub(super) fn connect(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let stream = UnixStream::connect(path).map_err(|error| {
            Error::new(Kind::Qmp, &shown, format!("cannot connect to {shown}: {error}"))
                .hint(format!("start QEMU with: -qmp unix:{shown},server=on,wait=off"))
        })?;
        let mut qmp = Self {
            stream,
            path: shown,
            unread: Vec::new(),
            events: VecDeque::new(),
            class: String::new(),
        };
        let greeting = qmp.line(Instant::now() + PATIENCE)?;
        if greeting.get("QMP").is_none() {
            return Err(qmp.failed("it does not speak QMP"));
        }
        qmp.run("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// The descriptor of the connection.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(super) fn run(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        self.run_with(command, arguments, None)
    }

    /// Runs a command, with a descriptor beside it, and returns what it returned.
    pub(super) fn run_with(
        &mut self,
        command: &str,
        arguments: Value,
        passed: Option<BorrowedFd<'_>>,
    ) -> Result<Value, Error> {
        let deadline = Instant::now() + PATIENCE;
        let text = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        self.send(text.as_bytes(), passed, deadline)?;
        loop {
            let mut answer = self.line(deadline)?;
            if answer.get("event").is_some() {
                self.events.push_back(answer);
            } else if let Some(error) = answer.get("error") {
                self.class =
                    error.get("class").and_then(Value::as_str).unwrap_or_default().to_owned();
                let text = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given");
                return Err(Error::new(
                    Kind::Qmp,
                    command,
                    format!("QEMU refused {command}: {text}"),
                ));
            } else {
                return Ok(answer.get_mut("return").map(Value::take).unwrap_or_default());
            }
        }
    }

    /// Whether the last refusal was about a device that QEMU does not have.
    pub(super) fn not_found(&self) -> bool {
        self.class == "DeviceNotFound"
    }

    /// Waits until the guest has let `device` go.
    pub(super) fn wait_deleted(&mut self, device: &str, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.line(deadline).map_err(|error| not_let_go(error, device))?,
            };
            let of = event.pointer("/data/device").and_then(Value::as_str) == Some(device);
            match event.get("event").and_then(Value::as_str) {
                Some("DEVICE_DELETED") if of => return Ok(()),
                Some("DEVICE_UNPLUG_GUEST_ERROR") if of => {
                    return Err(self.failed(&format!("the guest refuses to release {device}")));
                }
                _ => {}
            }
        }
    }

    fn send(
        &self,
        mut text: &[u8],
        passed: Option<BorrowedFd<'_>>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut passed = passed;
        while !text.is_empty() {
            let sent = packet::send_with(self.stream.as_fd(), text, passed.take(), deadline)
                .map_err(|errno| self.failed(&std::io::Error::from(errno).to_string()))?;
            text = text.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// The next line.
    fn line(&mut self, deadline: Instant) -> Result<Value, Error> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map_err(|_| self.failed("it does not speak QMP"));
            }
            if self.unread.len() > MAX_LINE {
                return Err(self.failed("a line without an end"));
            }
            packet::ready(self.stream.as_fd(), rustix::event::PollFlags::IN, deadline)
                .map_err(|_| self.timeout())?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.failed("QEMU closed the connection")),
                Ok(count) => self.unread.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
    }

    fn failed(&self, what: &str) -> Error {
        Error::new(Kind::Qmp, &self.path, format!("QMP at {}: {what}", self.path))
    }

    /// QEMU serves one QMP connection at a time, and lets a second one wait without a word.
    fn timeout(&self) -> Error {
        Error { kind: Kind::Timeout, ..self.failed("no answer") }.hint(
            "another connection may be open on it: give this command a -qmp socket of its own",
        )
    }
}

fn not_let_go(error: Error, device: &str) -> Error {
    match error.kind {
        Kind::Timeout => Error::new(
            Kind::Timeout,
            device,
            format!("the guest has not released {device} in time; nothing else was changed"),
        )
        .hint("try again when the guest has booted, or with a longer --wait"),
        _ => error,
    }
}
