// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection that the queues share, with what is not yet written and what is read ahead.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xsk_command::say;
use xsk_socket::{Bound, Refused};

use super::endpoint::Endpoint;
use super::framing::{BadLength, Deframer, append};
use crate::counters::{Counters, Moved};
use crate::error::{self, Error, PROGRAM};
use crate::peer_spec::StreamSpec;
use crate::turn::BATCH;

/// Bytes that may wait for the other side to read, before frames are left in the receive ring.
const MOST_UNSENT: usize = 256 << 10;

/// The link, shared by the queues.
#[derive(Debug)]
pub struct Link {
    state: Mutex<State>,
}

impl Link {
    /// Listens, or prepares to connect.
    ///
    /// # Errors
    /// The path cannot be listened at, or the inherited descriptor is no connection.
    pub fn open(spec: &StreamSpec, inherited: Option<OwnedFd>) -> Result<Arc<Self>, Error> {
        let once = inherited.is_some() || spec.reconnect == Some(Duration::ZERO);
        let endpoint = Endpoint::open(spec, inherited)?;
        let name = spec.path.display().to_string();
        let state = State {
            name,
            endpoint,
            connection: None,
            out: Vec::new(),
            sent: 0,
            inbound: Deframer::new(),
            unread: false,
            once,
            ended: false,
        };
        Ok(Arc::new(Self { state: Mutex::new(state) }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a queue waits for, copied out of the lock.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) connection: Option<Arc<UnixStream>>,
    pub(super) listener: Option<Arc<UnixListener>>,
    pub(super) unsent: bool,
    pub(super) unread: bool,
    pub(super) within: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct State {
    name: String,
    endpoint: Endpoint,
    connection: Option<Arc<UnixStream>>,
    out: Vec<u8>,
    sent: usize,
    inbound: Deframer,
    unread: bool,
    once: bool,
    ended: bool,
}

impl State {
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Frames that may be written now. With nobody connected any number, which are dropped.
    pub(super) fn room(&self) -> usize {
        let full = self.out.len() - self.sent > MOST_UNSENT;
        if self.connection.is_some() && full { 0 } else { usize::MAX }
    }

    pub(super) fn waiting(&self) -> Waiting {
        let listener = match &self.endpoint {
            Endpoint::Server { listener, .. } => Some(Arc::clone(listener)),
            Endpoint::Client { .. } | Endpoint::Inherited(_) => None,
        };
        let within = if self.connection.is_some() { None } else { self.endpoint.within() };
        let unsent = self.sent < self.out.len();
        Waiting {
            connection: self.connection.clone(),
            listener,
            unsent,
            unread: self.unread,
            within,
        }
    }

    /// Takes a new connection where there is none.
    pub(super) fn ensure_connection(&mut self) -> Result<(), Error> {
        if self.connection.is_some() || self.ended {
            return Ok(());
        }
        let found = self.endpoint.connection();
        let found = found.map_err(|error| error::io(&self.name, "connect the stream", error))?;
        if let Some(stream) = found {
            say(PROGRAM, &format!("{}: connected", self.name));
            self.connection = Some(Arc::new(stream));
        }
        Ok(())
    }

    fn disconnect(&mut self, why: &str) {
        say(PROGRAM, &format!("{}: disconnected: {why}", self.name));
        self.connection = None;
        self.out.clear();
        self.sent = 0;
        self.inbound = Deframer::new();
        self.unread = false;
        self.ended = self.once;
    }

    /// Writes the frames, or keeps what does not fit. False: nobody is there.
    pub(super) fn write<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> bool {
        if self.connection.is_none() {
            return false;
        }
        frames.for_each(|frame| append(&mut self.out, frame));
        self.flush();
        true
    }

    /// Writes what is kept, as far as the other side takes it.
    pub(super) fn flush(&mut self) {
        while let (Some(stream), true) = (&self.connection, self.sent < self.out.len()) {
            match (&**stream).write(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.disconnect(&error.to_string()),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > MOST_UNSENT {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Sends up to a batch of frames, reading when none is there in full.
    pub(super) fn read_into(
        &mut self,
        socket: &mut Bound,
        counters: &Counters,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        let mut read = false;
        while moved.frames < BATCH as u64 {
            match self.inbound.frame() {
                Ok(Some(frame)) => {
                    let len = frame.len();
                    match socket.send(frame) {
                        Ok(()) => moved.add(len),
                        Err(why @ Refused::BadLength) => counters.refused(why),
                        Err(Refused::NoRoom) => {
                            self.unread = true;
                            return Ok(moved);
                        }
                    }
                    self.inbound.consume(len);
                }
                Ok(None) if read => break,
                Ok(None) => match self.read() {
                    true => read = true,
                    false => break,
                },
                Err(BadLength(len)) => {
                    self.disconnect(&format!("a frame of {len} bytes was announced"))
                }
            }
        }
        self.unread = moved.frames == BATCH as u64;
        Ok(moved)
    }

    /// Reads once. False if there was nothing.
    fn read(&mut self) -> bool {
        let Some(stream) = self.connection.clone() else { return false };
        match self.inbound.fill(|buffer| (&*stream).read(buffer)) {
            Ok(0) => self.disconnect("the other side closed it"),
            Ok(_) => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.disconnect(&error.to_string()),
        }
        false
    }
}
