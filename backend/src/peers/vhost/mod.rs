// SPDX-License-Identifier: MIT OR Apache-2.0
//! `vhost-user=PATH`: a virtio network card for any virtual machine monitor that speaks vhost-user,
//! moved between the guest's memory and the interface without the monitor.
//!
//! A thread a pair of queues owns the rings and moves the frames ([`pair`]); one more thread
//! ([`service`]) talks to the front end and gives the others orders ([`seat`]). What the front end
//! may hold up, a write to its descriptors, is watched ([`guard`]).
#![forbid(unsafe_code)]

mod access;
mod board;
mod endpoint;
mod guard;
mod log;
mod offer;
mod offload;
mod pair;
mod receive;
mod seat;
mod service;
mod transmit;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::PollFlags;
use xsk_socket::{Bound, RxBatch};

pub(crate) use guard::Watchdog;
pub(crate) use service::Service;

use super::{Interest, Peer};
use crate::control::Control;
use crate::counters::{Counters, Moved};
use crate::error::{self, Error};
use crate::peer_spec::VhostSpec;
use crate::sys;
use log::Log;
use pair::Pair;
use seat::Seat;

/// What the threads of a device share.
pub(super) struct Shared {
    seats: Vec<Arc<Seat>>,
    /// For the socket of each queue, the pair that serves it: its own, or another one while that is
    /// off.
    targets: Vec<AtomicUsize>,
    first_queue: u32,
    log: Arc<Log>,
}

/// Makes the peers of `queues` queues from `first_queue` on, and the service that is to be run
/// beside them.
///
/// # Errors
/// The socket's path cannot be used; no descriptor is left.
pub(crate) fn make(
    spec: &VhostSpec,
    first_queue: u32,
    queues: usize,
    control: &Arc<Control>,
) -> Result<(Vec<Box<dyn Peer>>, Service), Error> {
    let prepared = sys::allow_interrupts().and_then(|()| xsk_vhost::catch_bus_errors());
    prepared.map_err(|error| error::io("", "install a signal handler", error))?;
    let log = Arc::new(Log::new(spec.path.display().to_string()));
    let seats = (0..queues).map(|_| Seat::new().map(Arc::new)).collect::<Result<Vec<_>, _>>();
    let seats = seats.map_err(|errno| error::io("", "make an event", errno))?;
    let targets = (0..queues).map(AtomicUsize::new).collect();
    let shared = Arc::new(Shared { seats, targets, first_queue, log });
    let service = Service::open(spec, Arc::clone(&shared), Arc::clone(control))?;
    let peer = |at| Box::new(Vhost::new(at, Arc::clone(&shared), service.told())) as Box<dyn Peer>;
    Ok(((0..queues).map(peer).collect(), service))
}

/// The peer of one queue.
struct Vhost {
    at: usize,
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    service: Arc<service::Told>,
    pair: Pair,
    /// There is something to do at once, in spite of nothing having moved.
    again: bool,
    /// The first socket is this queue's own.
    at_home: bool,
    entered: bool,
}

impl Vhost {
    fn new(at: usize, shared: Arc<Shared>, service: Arc<service::Told>) -> Self {
        let pair = Pair::new(at, Arc::clone(&shared.log));
        let seat = Arc::clone(&shared.seats[at]);
        Self { at, seat, shared, service, pair, again: false, at_home: true, entered: false }
    }

    /// Passes on the sockets that another pair serves by now, and puts this queue's own first.
    fn sort(&mut self, sockets: &mut Vec<Bound>) {
        let number = |socket: &Bound| socket.queue().wrapping_sub(self.shared.first_queue) as usize;
        let target = |socket: &Bound| {
            self.shared
                .targets
                .get(number(socket))
                .map_or(self.at, |target| target.load(Ordering::Acquire))
        };
        let mut index = 0;
        while let Some(socket) = sockets.get(index) {
            match target(socket) {
                here if here == self.at => index += 1,
                other => self.shared.seats[other].pass(sockets.remove(index)),
            }
        }
        sockets.sort_by_key(|socket| number(socket) != self.at);
        self.at_home = sockets.first().is_some_and(|socket| number(socket) == self.at);
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        self.seat.close();
    }
}

impl Peer for Vhost {
    fn exchange(&mut self, sockets: &mut Vec<Bound>) {
        if !self.entered {
            self.entered = true;
            self.seat.guard.enter_thread();
        }
        if self.seat.has_news() {
            self.seat.attend(&mut self.pair, sockets);
            self.sort(sockets);
        }
    }

    /// Frames wait in the receive ring while the guest has no buffers. While its ring is off they
    /// are dropped.
    fn room(&mut self) -> usize {
        match &self.pair.rx.ring {
            // A ring that lies is dealt with when frames are received.
            Some(ring) if self.pair.rx.enabled => ring.available().unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    fn receive(&mut self, batch: &mut RxBatch<'_>, counters: &Counters) -> Result<(), Error> {
        self.pair.receive(batch, counters, &self.seat.guard);
        Ok(())
    }

    fn supply(&mut self, socket: &mut Bound, counters: &Counters) -> Result<Moved, Error> {
        self.pair.disarm();
        // Without its own socket the pair is off, and what it sends waits.
        if !self.at_home {
            return Ok(Moved::default());
        }
        Ok(self.pair.transmit(socket, counters, &self.seat.guard))
    }

    fn idle(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.pair.lost) {
            self.service.memory_is_lost();
        }
        self.seat.settle();
        let waiting = self.pair.arm();
        self.again = waiting || self.seat.has_news();
        Ok(())
    }

    fn interest(&self) -> Interest<'_> {
        let within = self.again.then_some(Duration::ZERO);
        Interest { on: Some((self.seat.events(), PollFlags::IN)), within }
    }
}
