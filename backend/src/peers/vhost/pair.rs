// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pair of rings at work, owned by one queue thread.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use xsk_vhost::device::RingSetup;
use xsk_vhost::net::header_len;
use xsk_vhost::ring::{Batch, Broken, Ring};

use super::guard::Guard;
use super::log::Log;
use super::transmit::{Fault, Outgoing};
use crate::segment::merge::Plan;

/// One ring of a pair.
pub(super) struct Side {
    number: usize,
    pub(super) ring: Option<Ring>,
    pub(super) enabled: bool,
    pub(super) features: u64,
    /// Chains on their way to the network; none in the ring to the guest.
    pub(super) out: Outgoing,
    call: Option<Arc<OwnedFd>>,
}

/// The two rings, and what is used again from batch to batch.
pub(super) struct Pair {
    /// To the guest.
    pub(super) rx: Side,
    /// From the guest.
    pub(super) tx: Side,
    pub(super) batch: Batch,
    pub(super) plan: Plan,
    pub(super) armed: bool,
    /// The guest's memory was taken away, and the service has to be told.
    pub(super) lost: bool,
    pub(super) log: Arc<Log>,
}

impl Pair {
    /// Pair number `at` of the device, with no rings yet.
    pub(super) fn new(at: usize, log: Arc<Log>) -> Self {
        let side = |number| Side {
            number,
            ring: None,
            enabled: false,
            features: 0,
            out: Outgoing::default(),
            call: None,
        };
        let (rx, tx) = (side(2 * at), side(2 * at + 1));
        Self {
            rx,
            tx,
            batch: Batch::default(),
            plan: Plan::default(),
            armed: false,
            lost: false,
            log,
        }
    }

    /// The ring of an index of the device.
    pub(super) fn side(&mut self, index: usize) -> &mut Side {
        if index % 2 == 0 { &mut self.rx } else { &mut self.tx }
    }

    /// Notes that a ring cannot go on, and says so.
    pub(super) fn fail(&mut self, index: usize, why: impl Into<Fault>) {
        let why = why.into();
        self.lost |= why == Fault::Broken(Broken::Lost);
        let log = Arc::clone(&self.log);
        self.side(index).stop_for(&log, why);
    }

    /// Tells the driver of a ring, after something was published.
    pub(super) fn notify(&mut self, index: usize, guard: &Guard) {
        let log = Arc::clone(&self.log);
        self.side(index).notify(guard, &log);
    }

    /// Asks for no kicks while there are frames anyhow.
    #[inline]
    pub(super) fn disarm(&mut self) {
        if std::mem::take(&mut self.armed) {
            [&mut self.rx, &mut self.tx]
                .into_iter()
                .filter_map(|side| side.ring.as_mut())
                .for_each(Ring::disarm);
        }
    }

    /// Asks for kicks before a sleep. Returns whether there is something already.
    pub(super) fn arm(&mut self) -> bool {
        self.armed = true;
        let mut waiting = false;
        for index in [0, 1] {
            let Some(ring) = &mut self.side(index).ring else { continue };
            // Buffers to receive into are waited for only when there are none.
            let due = index == 1 || ring.available().is_ok_and(|available| available == 0);
            match if due { ring.arm() } else { Ok(false) } {
                Ok(there) => waiting |= there,
                Err(why) => self.fail(index, why),
            }
        }
        waiting
    }
}

impl Side {
    /// Puts a ring to work. The driver is notified once, since it may wait for what the last device
    /// did not say.
    pub(super) fn start(&mut self, ring: Ring, setup: &RingSetup, guard: &Guard, log: &Log) {
        self.ring = Some(ring);
        self.out.clear();
        self.call.clone_from(&setup.call);
        (self.enabled, self.features) = (setup.enabled, setup.features);
        self.notify(guard, log);
    }

    /// Lets the ring go, and returns where it stands. What was gathered and not sent is the next
    /// device's.
    pub(super) fn stop(&mut self) -> Option<u16> {
        self.call = None;
        let mut ring = self.ring.take()?;
        ring.ungather(self.out.waiting());
        self.out.clear();
        Some(ring.position())
    }

    /// Another way to notify the driver, which may have missed something meanwhile.
    pub(super) fn notify_by(&mut self, call: Option<Arc<OwnedFd>>, guard: &Guard, log: &Log) {
        self.call = call;
        self.notify(guard, log);
    }

    /// Whether frames may go through it.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.enabled && self.ring.is_some()
    }

    pub(super) fn header_len(&self) -> usize {
        header_len(self.features)
    }

    fn notify(&mut self, guard: &Guard, log: &Log) {
        if let (Some(call), Some(_)) = (&self.call, &self.ring) {
            if let Err(mute) = guard.notify(call) {
                self.stop_for(log, mute);
            }
        }
    }

    fn stop_for(&mut self, log: &Log, why: impl Display) {
        (self.ring, self.call) = (None, None);
        self.out.clear();
        log.say(format_args!("ring {} is stopped: {why}", self.number));
    }
}
