// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue thread's place, as the service thread sees it: orders go in, a descriptor wakes the
//! thread, sockets of queues whose pair is off arrive. The thread owns its rings, so no lock is on
//! them.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use xsk_socket::Bound;

use super::guard::Guard;
use super::pair::Pair;

/// How long an order may take. A thread that waits in a write to the front end's descriptor is let
/// go long before.
const HELD_UP: Duration = Duration::from_secs(5);

type Order = Box<dyn FnOnce(&mut Pair) + Send>;

/// One queue thread's place.
pub(super) struct Seat {
    /// Nothing once the thread has ended.
    orders: Mutex<Option<Vec<Order>>>,
    arrived: Mutex<Vec<Bound>>,
    attention: AtomicBool,
    wake: OwnedFd,
    events: OwnedFd,
    /// Whether the thread is inside a write to the front end's descriptor.
    pub(super) guard: Guard,
}

impl AsRef<Guard> for Seat {
    fn as_ref(&self) -> &Guard {
        &self.guard
    }
}

impl Seat {
    pub(super) fn new() -> Result<Self, Errno> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let seat = Self {
            orders: Mutex::new(Some(vec![])),
            arrived: Mutex::default(),
            attention: AtomicBool::new(false),
            wake,
            events: epoll::create(CreateFlags::CLOEXEC)?,
            guard: Guard::default(),
        };
        seat.watch(seat.wake.as_fd())?;
        Ok(seat)
    }

    /// Wakes the thread when `kick` is written to. Edge-triggered, so nobody need read it.
    pub(super) fn watch(&self, kick: BorrowedFd<'_>) -> Result<(), Errno> {
        epoll::add(&self.events, kick, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)
    }

    /// No more.
    pub(super) fn unwatch(&self, kick: BorrowedFd<'_>) {
        // It may never have been watched, if that was refused.
        let _ = epoll::delete(&self.events, kick);
    }

    /// What the thread polls.
    pub(super) fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Forgets the edges that were seen, so that the next one is an event again.
    pub(super) fn settle(&self) {
        let mut events =
            [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 4];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = epoll::wait(&self.events, &mut events[..], Some(&now));
    }

    /// Has the thread carry out `order` and returns what it gives; nothing if the thread is held up
    /// or has ended.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        order: impl FnOnce(&mut Pair) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        let order = Box::new(move |pair: &mut Pair| {
            // Nobody waits any more where it took too long.
            let _ = answer.send(order(pair));
        });
        lock(&self.orders).as_mut()?.push(order);
        self.call_attention();
        answered.recv_timeout(HELD_UP).ok()
    }

    /// Gives the thread a socket to serve.
    pub(super) fn pass(&self, socket: Bound) {
        lock(&self.arrived).push(socket);
        self.call_attention();
    }

    /// Makes the thread look at orders and sockets.
    pub(super) fn call_attention(&self) {
        self.attention.store(true, Ordering::Release);
        // Full or not, the event is readable.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Lets those go that wait for an order: there is no thread any more.
    pub(super) fn close(&self) {
        *lock(&self.orders) = None;
    }

    /// Whether there is something to look at. For the thread.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.attention.load(Ordering::Relaxed)
    }

    /// Carries out all orders, and appends the sockets that have come. For the thread.
    pub(super) fn attend(&self, pair: &mut Pair, sockets: &mut Vec<Bound>) {
        self.attention.store(false, Ordering::SeqCst);
        let orders = lock(&self.orders).as_mut().map(std::mem::take);
        orders.into_iter().flatten().for_each(|order| order(pair));
        sockets.append(&mut lock(&self.arrived));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
