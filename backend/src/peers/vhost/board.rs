// SPDX-License-Identifier: MIT OR Apache-2.0
//! The service thread's view of the rings: which run, which pair is on, and which pair serves which
//! queue.
//!
//! Firmware and guests with one processor switch on the first pair alone, and the network goes on
//! to put frames on every queue that is leased. The socket of a queue whose pair is off is
//! therefore served by a pair that is on.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::event::epoll::{self, EventData, EventFlags};
use xsk_vhost::device::{Backend, Refusal, RingSetup};
use xsk_vhost::net::{Command, answer, feature};
use xsk_vhost::ring::{Batch, Broken, Ring};

use super::Shared;
use super::guard::Guard;

/// What is known of a data ring.
#[derive(Default)]
struct Known {
    kick: Option<Arc<OwnedFd>>,
    /// Switched on by the front end.
    enabled: bool,
}

/// The control queue, where it is ours to serve.
struct ControlQueue {
    index: usize,
    ring: Ring,
    kick: Arc<OwnedFd>,
    call: Option<Arc<OwnedFd>>,
}

/// The rings of a device.
pub(super) struct Board {
    shared: Arc<Shared>,
    known: Vec<Known>,
    control: Option<ControlQueue>,
    /// Pairs that the driver uses, where it says so on the control queue.
    used: usize,
    guard: Arc<Guard>,
    /// Edge-triggered: the control queue's kick.
    events: Arc<OwnedFd>,
}

impl Board {
    pub(super) fn new(shared: Arc<Shared>, guard: Arc<Guard>, events: Arc<OwnedFd>) -> Self {
        let pairs = shared.seats.len();
        let known = (0..2 * pairs).map(|_| Known::default()).collect();
        Self { shared, known, control: None, used: pairs, guard, events }
    }

    fn pairs(&self) -> usize {
        self.shared.seats.len()
    }

    /// Whether a ring is on by the front end's word and by the driver's.
    fn is_on(&self, index: usize) -> bool {
        self.known[index].enabled && index / 2 < self.used
    }

    fn is_pair_on(&self, pair: usize) -> bool {
        let is_live = |index: usize| self.known[index].kick.is_some() && self.is_on(index);
        is_live(2 * pair) || is_live(2 * pair + 1)
    }

    /// Says anew which pair serves which queue, and tells the threads.
    fn assign(&self) {
        let on: Vec<_> = (0..self.pairs()).filter(|pair| self.is_pair_on(*pair)).collect();
        for (queue, target) in targets(self.pairs(), &on).into_iter().enumerate() {
            self.shared.targets[queue].store(target, Ordering::Release);
        }
        self.shared.seats.iter().for_each(|seat| seat.call_attention());
    }

    fn is_control(&self, index: usize, features: u64) -> bool {
        let behind = if features & feature::MQ == 0 { 2 } else { 2 * self.pairs() };
        features & feature::CTRL_VQ != 0 && index == behind
    }

    fn start_control(&mut self, index: usize, ring: Ring, setup: RingSetup) {
        let RingSetup { kick, call, .. } = setup;
        let edge = EventFlags::IN | EventFlags::ET;
        if let Err(errno) = epoll::add(&self.events, &kick, EventData::new_u64(0), edge) {
            return self.shared.log.say(format_args!("the control queue's kick: {errno}"));
        }
        self.control = Some(ControlQueue { index, ring, kick, call });
        self.used = 1;
        self.spread();
    }

    /// Tells each thread whether its rings are on.
    fn spread(&self) {
        for index in 0..self.known.len() {
            // A thread that is held up is seen at the next order that has an answer.
            let _ = self.enable_one(index);
        }
        self.assign();
    }

    fn enable_one(&self, index: usize) -> Result<(), Refusal> {
        let on = self.is_on(index);
        let done = self.shared.seats[index / 2].ask(move |pair| pair.side(index).enabled = on);
        done.ok_or(Refusal::HeldUp(index))
    }

    /// Answers what is in the control queue. Returns whether there is more by now.
    pub(super) fn serve_control(&mut self) -> bool {
        match self.answer() {
            Ok(more) => more,
            Err(why) => {
                self.shared.log.say(format_args!("the control queue is stopped: {why}"));
                self.drop_control();
                false
            }
        }
    }

    fn answer(&mut self) -> Result<bool, String> {
        let pairs = self.pairs();
        let Some(control) = &mut self.control else { return Ok(false) };
        let why = |why: Broken| why.to_string();
        let (commands, due) =
            answer(&mut control.ring, &mut Batch::default(), pairs).map_err(why)?;
        if let Some(Command::Pairs(wanted)) = commands.last() {
            self.used = usize::from(*wanted);
            self.spread();
        }
        let Some(control) = &mut self.control else { return Ok(false) };
        if let Some(call) = control.call.as_ref().filter(|_| due) {
            self.guard.notify(call).map_err(|mute| mute.to_string())?;
        }
        control.ring.arm().map_err(why)
    }

    fn drop_control(&mut self) -> Option<u16> {
        let control = self.control.take()?;
        let _ = epoll::delete(&self.events, &control.kick);
        self.used = self.pairs();
        Some(control.ring.position())
    }
}

impl Backend for Board {
    fn start(&mut self, index: usize, ring: Ring, setup: RingSetup) -> Result<(), Refusal> {
        if self.is_control(index, setup.features) {
            self.start_control(index, ring, setup);
            return Ok(());
        }
        if index >= self.known.len() {
            return Err(Refusal::Ring(index as u32));
        }
        let seat = Arc::clone(&self.shared.seats[index / 2]);
        seat.watch(setup.kick.as_fd()).map_err(|_| Refusal::Event)?;
        self.known[index] = Known { kick: Some(Arc::clone(&setup.kick)), enabled: setup.enabled };
        let (inside, log) = (Arc::clone(&seat), Arc::clone(&self.shared.log));
        let setup = RingSetup { enabled: self.is_on(index), ..setup };
        let done = seat.ask(move |pair| pair.side(index).start(ring, &setup, &inside.guard, &log));
        self.assign();
        done.ok_or(Refusal::HeldUp(index))
    }

    fn stop(&mut self, index: usize) -> Result<Option<u16>, Refusal> {
        if self.control.as_ref().is_some_and(|control| control.index == index) {
            let position = self.drop_control();
            self.spread();
            return Ok(position);
        }
        let Some(kick) = self.known.get_mut(index).and_then(|known| known.kick.take()) else {
            return Ok(None);
        };
        let seat = &self.shared.seats[index / 2];
        seat.unwatch(kick.as_fd());
        let position = seat.ask(move |pair| pair.side(index).stop());
        self.assign();
        position.ok_or(Refusal::HeldUp(index))
    }

    fn enable(&mut self, index: usize, on: bool) -> Result<(), Refusal> {
        if index >= self.known.len() {
            return Ok(());
        }
        self.known[index].enabled = on;
        self.enable_one(index)?;
        self.assign();
        Ok(())
    }

    fn notify_by(&mut self, index: usize, call: Option<Arc<OwnedFd>>) -> Result<(), Refusal> {
        if let Some(control) = self.control.as_mut().filter(|control| control.index == index) {
            control.call = call;
            return Ok(());
        }
        if self.known.get(index).is_none_or(|known| known.kick.is_none()) {
            return Ok(());
        }
        let seat = Arc::clone(&self.shared.seats[index / 2]);
        let (inside, log) = (Arc::clone(&seat), Arc::clone(&self.shared.log));
        let done = seat.ask(move |pair| pair.side(index).notify_by(call, &inside.guard, &log));
        done.ok_or(Refusal::HeldUp(index))
    }
}

/// The pair that serves each queue: its own if that is on, else those that are on take turns; its
/// own if none is.
fn targets(pairs: usize, on: &[usize]) -> Vec<usize> {
    let mut turns = on.iter().cycle();
    let target =
        |queue: usize| if on.contains(&queue) { queue } else { *turns.next().unwrap_or(&queue) };
    (0..pairs).map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::targets;

    #[test]
    fn queues_of_pairs_that_are_off_go_to_those_that_are_on() {
        assert_eq!(targets(4, &[0]), [0, 0, 0, 0]);
        assert_eq!(targets(4, &[0, 1]), [0, 1, 0, 1]);
        assert_eq!(targets(3, &[0, 1, 2]), [0, 1, 2]);
        assert_eq!(targets(3, &[2]), [2, 2, 2]);
        assert_eq!(targets(2, &[]), [0, 1]);
    }
}
