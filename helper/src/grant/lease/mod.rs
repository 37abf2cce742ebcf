// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a lease holds, from the first lock on; and its end, which is also the roll-back of a grant
//! that fails half-way: one path, so that it is the tested one.

mod deferred_insert;
mod objects;
mod slots;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use xsk_bpf::{LivingLeases, Redirect};

use xsk_proto::MAX_QUEUES;

use crate::error::{Failure, Taken};
use crate::failpoints::failpoint;
use crate::guard::{self, Guard};
use crate::leases::key::Key;
use crate::leases::record::Record;
use crate::leases::table::{Holder, LockAttempt, QueueAttempt, Table};
use crate::sys::clock::boot_time;
use deferred_insert::DeferredInserts;
use objects::Objects;
use slots::Inserted;

/// The queues of one interface that this process holds.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) key: Key,
    /// Unique while the machine is up: nanoseconds since the boot.
    pub(crate) number: u64,
    pub(crate) uid: u32,
    pub(crate) first_queue: u32,
    pub(crate) queues: u32,
    /// How long the program stays after the lease.
    pub(crate) linger: Duration,
    table: Table,
    taken: Vec<u32>,
    /// The folder of the texts about the user's leases.
    texts: OwnedFd,
    /// The slots that this lease filled; in another one of its queues may be a socket that outlived
    /// its keeper.
    filled: Vec<u32>,
    /// Sockets for slots that the kernel does not let be filled yet.
    deferred: DeferredInserts,
    /// What its end needs of the program, once that is known.
    objects: Option<Objects>,
    /// Where the bind guard looks, if there is one.
    living: Option<LivingLeases>,
}

fn failed(step: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::sys(step, error)
}

impl Lease {
    /// A lease that holds nothing yet.
    pub(crate) fn new(
        key: Key,
        uid: u32,
        first_queue: u32,
        queues: u32,
        linger: Duration,
    ) -> Result<Self, Failure> {
        let table = Table::open(key).map_err(failed("opening the interface's lock file"))?;
        let number = u64::try_from(boot_time().as_nanos()).unwrap_or(u64::MAX);
        Ok(Self {
            key,
            number,
            uid,
            first_queue,
            queues,
            linger,
            table,
            taken: Vec::new(),
            texts: Record::folder(uid)
                .map_err(failed("opening the folder of the leases' texts"))?,
            filled: Vec::new(),
            deferred: DeferredInserts::new(),
            objects: None,
            living: None,
        })
    }

    /// Its queues.
    pub(crate) fn range(&self) -> std::ops::Range<u32> {
        self.first_queue..self.first_queue + self.queues
    }

    /// Takes the interface's lock; `ifname` is what a failure calls the interface.
    pub(super) fn lock_interface(&self, ifname: &str) -> Result<(), Failure> {
        match self.table.lock_interface().map_err(failed("locking the interface"))? {
            LockAttempt::Locked => Ok(()),
            LockAttempt::HeldBy { pid } => {
                Err(Taken::InterfaceLock { name: ifname.to_owned(), pid }.into())
            }
        }
    }

    /// Gives the interface's lock back.
    pub(super) fn unlock_interface(&self) {
        self.table.unlock_interface();
    }

    /// Takes all queues or none, with the interface's lock held. Returns whether nobody else has a
    /// queue of the interface. `may_begin` tells whether the request could begin at another queue.
    pub(super) fn take_queues(
        &mut self,
        ifname: &str,
        shared: bool,
        may_begin: impl Fn(u32) -> bool,
    ) -> Result<bool, Failure> {
        self.try_take_queues(ifname, shared, may_begin).inspect_err(|_| self.give_back())
    }

    /// The first queue from which on as many as this lease has are nobody's.
    fn free_queues(&self, may_begin: impl Fn(u32) -> bool) -> Option<u32> {
        let holders = self.table.holders().ok()?;
        let is_free = |first: u32| {
            let range = first..first.saturating_add(self.queues);
            holders.iter().all(|holder| !range.contains(&holder.queue))
        };
        (0..MAX_QUEUES).find(|first| may_begin(*first) && is_free(*first))
    }

    fn try_take_queues(
        &mut self,
        ifname: &str,
        shared: bool,
        may_begin: impl Fn(u32) -> bool,
    ) -> Result<bool, Failure> {
        let name = || ifname.to_owned();
        for queue in self.range() {
            match self.table.take(queue, self.uid).map_err(failed("locking a queue"))? {
                QueueAttempt::Taken => self.taken.push(queue),
                QueueAttempt::HeldBy(Holder { uid, pid, .. }) => {
                    let free = self.free_queues(may_begin);
                    return Err(Taken::Held { name: name(), queue, uid, pid, free }.into());
                }
            }
        }
        let others = self.table.holders().map_err(failed("reading the lease table"))?;
        if let Some(holder) = others.iter().find(|holder| !shared && holder.uid != self.uid) {
            return Err(Taken::Unshared { name: name(), uid: holder.uid }.into());
        }
        let refused = failed("marking a lease as not shared");
        if let Some(uid) = self.table.alone(self.uid).map_err(&refused)? {
            return Err(Taken::TheirsAlone { name: name(), uid }.into());
        }
        if !shared {
            self.table.stay_alone(self.uid).map_err(&refused)?;
        }
        Ok(others.is_empty())
    }

    /// Keeps the objects that the end needs, in this process alone.
    pub(super) fn keep(&mut self, redirect: Redirect, program: u32) -> Result<(), Failure> {
        let (objects, opened) = Objects::new(self.key, redirect, program);
        self.objects = Some(objects);
        self.table.use_program(program).map_err(failed("marking the program as used"))?;
        Ok(opened?)
    }

    /// Puts a socket into the slot of one of its queues, or has it wait for its consumer.
    pub(super) fn fill(
        &mut self,
        queue: u32,
        socket: &OwnedFd,
        ifname: &str,
    ) -> Result<(), Failure> {
        let Some(Objects { map, slots, .. }) = &self.objects else {
            return Err(Failure::sys("filling a slot", "there is no map"));
        };
        match slots::insert(map, queue, socket, ifname)? {
            Inserted::Now => {
                self.filled.push(queue);
                Ok(())
            }
            Inserted::Deferred => self.deferred.admit((map, slots), queue, socket, ifname),
        }
    }

    /// Has the bind guard hold the sockets to their queues. On an interface that got its program
    /// just now, no lease of before is alive but those whose queues are held.
    pub(super) fn hold_to_queues(
        &self,
        guard: &Guard,
        sockets: &[OwnedFd],
        fresh: bool,
    ) -> Result<(), Failure> {
        if fresh {
            guard.forget_dead(
                self.key,
                &self.table.holders().map_err(failed("reading the lease table"))?,
            )?;
        }
        guard.hold(self.key, self.number, self.first_queue, sockets)
    }

    /// From here on the end of the lease is noted with the guard.
    pub(super) fn ends_with(&mut self, guard: Guard) {
        self.living = Some(guard.into_leases());
    }

    /// Gives everything back after a claim that failed. The interface's lock is held.
    pub(super) fn roll_back(&mut self) {
        self.undo();
        self.leave_program(true);
    }

    /// The folders from which its end removes files.
    pub(crate) fn folders(&self) -> Vec<BorrowedFd<'_>> {
        let pins = self.objects.iter().filter_map(|objects| objects.pins.as_ref().map(AsFd::as_fd));
        pins.chain([self.texts.as_fd()]).collect()
    }

    /// Returns whether the program is on an interface.
    pub(crate) fn is_attached(&self) -> bool {
        self.objects.as_ref().is_some_and(Objects::is_attached)
    }

    /// Returns whether this process could empty the slots as a keeper, without a capability.
    pub(crate) fn can_end(&self) -> bool {
        self.objects.as_ref().is_none_or(|objects| objects.map.is_changeable())
    }

    /// Returns whether sockets wait for their consumer.
    pub(crate) fn waits(&self) -> bool {
        self.deferred.pause().is_some()
    }

    /// Returns when [`Self::insert_deferred`] is worth a try again.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.deferred.pause()
    }

    /// Puts the sockets that waited into their slots, as far as their consumer has set them up.
    pub(crate) fn insert_deferred(&mut self) {
        if let Some(objects) = &self.objects {
            self.filled.extend(self.deferred.fill(&objects.map));
        }
    }

    /// Ends the lease: the queues leave the map, and with the last one the program leaves the
    /// interface. Without a capability, from a keeper. Every step is tried whatever became of the
    /// one before.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        let ended = self.end_but_program();
        self.take_off();
        ended
    }

    /// The same, but the program stays where it is until [`Self::take_off`]: this process still
    /// says that it uses it.
    pub(crate) fn end_but_program(&mut self) -> Result<(), Failure> {
        failpoint!("end");
        let locked = self.lock_interface("the interface");
        failpoint!("end-locked");
        self.undo();
        if locked.is_ok() {
            self.unlock_interface();
        }
        locked
    }

    /// Takes the program off if nobody uses it. Only with the interface's lock held: without it,
    /// another process may just be granted a queue, and what stays behind is the next request's to
    /// remove, or `reap`'s.
    pub(crate) fn take_off(&mut self) {
        if self.objects.is_none() {
            return;
        }
        let locked = self.lock_interface("the interface").is_ok();
        self.leave_program(locked);
        if locked {
            self.unlock_interface();
        }
    }

    /// If two keepers leave the program at the same time, the interface's lock orders them, and the
    /// later one sees that it is the last.
    fn leave_program(&mut self, locked: bool) {
        if let Some(objects) = self.objects.take() {
            let free = || self.table.is_used(objects.program).is_ok_and(|used| !used);
            if locked && free() && objects.is_unoccupied() {
                objects.remove(self.key);
            }
        }
        self.table.leave_program();
    }

    /// Gives everything back but the program, which a claim that failed early does not have.
    fn undo(&mut self) {
        if let Some(living) = &self.living {
            guard::end(living, self.key, self.taken.iter().copied());
        }
        self.deferred.clear();
        if let Some(Objects { map, .. }) = &self.objects {
            for queue in self.filled.drain(..) {
                // A slot that cannot be emptied (before Linux 5.19, without a capability) empties
                // with its socket.
                let _ = map.remove(queue);
            }
        }
        failpoint!("end-emptied");
        // A text that is left behind is never shown, because its process holds nothing any more.
        let _ = Record::remove(&self.texts, self.key, self.first_queue);
        self.give_back();
        failpoint!("end-given-back");
        self.living = None;
    }

    fn give_back(&mut self) {
        self.taken.clear();
        self.table.give_back();
    }
}
