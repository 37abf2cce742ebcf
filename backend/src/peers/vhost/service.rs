// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that talks to the front end. It serves one at a time, never waits for it, and goes
//! back to listening or connecting when it is gone.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use xsk_vhost::device::{Offer, Session};
use xsk_vhost::protocol::{Channel, Failure};

use super::Shared;
use super::board::Board;
use super::endpoint::Endpoint;
use super::guard::{Guard, Watchdog};
use super::offer;
use crate::control::Control;
use crate::error::{self, Error};
use crate::lockdown::Role;
use crate::peer_spec::VhostSpec;

/// What the queue threads tell the service.
pub(super) struct Told {
    lost: AtomicBool,
    wake: OwnedFd,
}

impl Told {
    /// The front end took guest memory away.
    pub(super) fn memory_is_lost(&self) {
        self.lost.store(true, Ordering::Release);
        // Full or not, the event is readable.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

/// The service, to be run on a thread of its own.
pub(crate) struct Service {
    endpoint: Endpoint,
    offer: Offer,
    /// End with the first front end.
    once: bool,
    shared: Arc<Shared>,
    control: Arc<Control>,
    told: Arc<Told>,
    guard: Arc<Guard>,
    /// Descriptors that could hold up a thread that closes them.
    closer: Sender<OwnedFd>,
    to_close: Option<Receiver<OwnedFd>>,
    /// Kicks of the control queue, edge-triggered.
    kicks: Arc<OwnedFd>,
}

impl Service {
    pub(super) fn open(
        spec: &VhostSpec,
        shared: Arc<Shared>,
        control: Arc<Control>,
    ) -> Result<Self, Error> {
        let made = |errno| error::io("", "make an event", errno);
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(made)?;
        let kicks = epoll::create(CreateFlags::CLOEXEC).map_err(made)?;
        let (closer, to_close) = channel();
        epoll::add(&kicks, &wake, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)
            .map_err(made)?;
        Ok(Self {
            endpoint: Endpoint::open(spec)?,
            offer: offer::of(spec, shared.seats.len()),
            once: spec.reconnect == Some(Duration::ZERO),
            shared,
            control,
            told: Arc::new(Told { lost: AtomicBool::new(false), wake }),
            guard: Arc::default(),
            closer,
            to_close: Some(to_close),
            kicks: Arc::new(kicks),
        })
    }

    pub(super) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told)
    }

    /// What a thread is to do that does nothing else, and may never end: closes what could hold it
    /// up.
    pub(crate) fn closing(&mut self) -> impl FnOnce() + Send + 'static {
        let to_close = self.to_close.take();
        move || to_close.into_iter().flatten().for_each(drop)
    }

    /// What the process needs to get connections.
    pub(crate) fn role(&self) -> Role {
        if self.endpoint.listener().is_some() { Role::Server } else { Role::Client }
    }

    /// What watches the writes of this device's threads.
    pub(crate) fn watchdog(&self) -> Watchdog {
        let guard = Arc::clone(&self.guard) as Arc<dyn AsRef<Guard> + Send + Sync>;
        let seats = self.shared.seats.iter().map(|seat| Arc::clone(seat) as _);
        Watchdog::new(seats.chain([guard]))
    }

    /// Serves front ends until the control says that it is over.
    ///
    /// # Errors
    /// The socket cannot be listened at or connected to.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        self.guard.enter_thread();
        while !self.control.stopped() {
            let Some(stream) = self.endpoint.connection(&self.shared.log)? else {
                self.wait(None);
                continue;
            };
            self.shared
                .log
                .say(format_args!("a front end is connected (feature set {})", offer::SET));
            let end = self.serve(stream);
            self.shared.log.say(format_args!("the front end is gone: {end}"));
            if self.once {
                break;
            }
        }
        Ok(())
    }

    /// Serves one connection to its end, and returns why that came.
    fn serve(&mut self, stream: UnixStream) -> String {
        let board =
            Board::new(Arc::clone(&self.shared), Arc::clone(&self.guard), Arc::clone(&self.kicks));
        let mut connection = Connection {
            session: Session::new(self.offer),
            channel: Channel::new(stream, self.closer.clone()),
            board,
        };
        self.told.lost.store(false, Ordering::Release);
        let end = loop {
            if self.control.stopped() {
                break "the device ends".to_owned();
            }
            if self.told.lost.load(Ordering::Acquire) || connection.session.is_memory_lost() {
                break "it took guest memory away".to_owned();
            }
            self.endpoint.look();
            if let Err(end) = connection.take_messages(&self.shared) {
                break end;
            }
            self.endpoint.turn_away(&self.shared.log);
            if !connection.board.serve_control() {
                self.wait(Some(&connection.channel));
            }
        };
        connection.session.end(&mut connection.board);
        end
    }

    /// Waits for a message, a kick of the control queue, a connection, or the end.
    fn wait(&self, channel: Option<&Channel>) {
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.control.stop_event(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.kicks.as_fd(), PollFlags::IN),
        ];
        fds.extend(self.endpoint.listener().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        fds.extend(channel.map(|channel| PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN)));
        let limit = if channel.is_some() { None } else { self.endpoint.within() };
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        // A failed poll ends in another turn, and so does a signal.
        if poll(&mut fds, limit.as_ref()).is_ok_and(|ready| ready > 0) {
            self.settle();
        }
    }

    /// Forgets the edges that were seen.
    fn settle(&self) {
        let mut events =
            [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 4];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let _: Result<usize, Errno> = epoll::wait(&self.kicks, &mut events[..], Some(&now));
    }
}

/// One front end.
struct Connection {
    session: Session,
    channel: Channel,
    board: Board,
}

impl Connection {
    /// Carries out what has come, up to a number of messages, so that the rest of the loop has its
    /// turn.
    fn take_messages(&mut self, shared: &Shared) -> Result<(), String> {
        const MOST: usize = 64;
        let over = |failure: Failure| failure.to_string();
        for _ in 0..MOST {
            let Some(message) = self.channel.receive().map_err(over)? else { break };
            let head = message.head;
            let (answer, done) = self.session.handle(message, &mut self.board);
            if let Some(payload) = &answer {
                self.channel.answer(&head, payload).map_err(over)?;
            }
            match done {
                Err(refused) if answer.is_none() => return Err(refused.to_string()),
                Err(refused) => shared.log.say(refused),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}
