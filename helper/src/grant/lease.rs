// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a lease holds, from the first lock on; and its end, which is also the roll-back of a grant that fails
//! half-way: one path, so that it is the tested one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use xsk_bpf::{LivingLeases, PinFolder, Redirect, SlotProbe, XdpLink, XskMap};
use xsk_proto::Code;

use super::deferred_insert::DeferredInserts;
use super::guard::{self, Guard};
use super::program::{self, folder};
use super::sockets;
use crate::audit::{Line, What};
use crate::error::Failure;
use crate::failpoints::failpoint;
use crate::leases::key::Key;
use crate::leases::record::Record;
use crate::leases::table::{Holder, Table};
use crate::sys::clock::boot_time;

/// How long a request waits for a queue whose holder may just be going.
const QUEUE_PATIENCE: Duration = Duration::from_millis(400);
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

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
    /// Where the texts of the user's leases are.
    texts: OwnedFd,
    /// The slots that this lease filled; in another one of its queues may be a socket that outlived its keeper.
    filled: Vec<u32>,
    /// Sockets for slots that the kernel does not let be filled yet.
    deferred: DeferredInserts,
    /// What its end needs of the program, once that is known.
    objects: Option<Objects>,
    /// Where the bind guard looks, if there is one.
    living: Option<LivingLeases>,
}

/// All of it is open before the process may open nothing any more.
#[derive(Debug)]
struct Objects {
    map: XskMap,
    slots: SlotProbe,
    /// None where this process could not detach it without a capability, before Linux 5.19: it goes with its last pin
    /// there, and an open descriptor would keep it.
    link: Option<XdpLink>,
    program: u32,
    /// None where it could not be opened: then the grant fails, and finds it by its name.
    pins: Option<PinFolder>,
}

impl Objects {
    /// Takes the program off the interface, wherever that is by now, and removes its pins. The interface's lock is held.
    fn remove(&self, key: Key) {
        if let Some(link) = &self.link {
            // Where the detach is refused, the link still goes with its last descriptor.
            let _ = link.detach();
            failpoint!("end-detached");
        }
        log_unpinned(key, self.pins.as_ref().map_or_else(|| Redirect::unpin(&folder(key)), PinFolder::unpin));
    }
}

fn failed(step: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::internal(step, error)
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
            texts: Record::folder(uid).map_err(failed("opening the folder of the leases' texts"))?,
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

    /// Runs `work` under the interface's lock with the queues taken. If it fails, all is as it was before.
    pub(crate) fn claim<T>(
        &mut self,
        ifname: &str,
        shared: bool,
        mut work: impl FnMut(&mut Self, bool) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let deadline = std::time::Instant::now() + QUEUE_PATIENCE;
        loop {
            let result = match self.try_claim(ifname, shared)? {
                Ok(idle) => self.attempt(idle, &mut work),
                Err(busy) => {
                    self.give_back();
                    Err(busy)
                }
            };
            self.table.unlock_interface();
            match result {
                Err(failure) if passing(&failure) && std::time::Instant::now() < deadline => {}
                other => return other,
            }
            std::thread::sleep(QUEUE_PAUSE);
        }
    }

    /// With the lock and the queues.
    fn attempt<T>(
        &mut self,
        idle: bool,
        work: &mut impl FnMut(&mut Self, bool) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let result = work(self, idle);
        if result.is_err() {
            self.undo();
            self.leave_program(true);
        }
        result
    }

    /// Takes the interface's lock and the queues, and tells whether nobody else has one; or says who has one of these.
    /// The lock is held either way.
    fn try_claim(&mut self, ifname: &str, shared: bool) -> Result<Result<bool, Failure>, Failure> {
        self.lock_interface(ifname)?;
        failpoint!("locked");
        for queue in self.range() {
            match self.table.take(queue, self.uid).map_err(failed("locking a queue"))? {
                Ok(()) => self.taken.push(queue),
                Err(holder) => return Ok(Err(held(ifname, queue, holder))),
            }
        }
        let others = self.table.holders().map_err(failed("reading the lease table"))?;
        if let Some(holder) = others.iter().find(|holder| !shared && holder.uid != self.uid) {
            return Ok(Err(unshared(ifname, holder.uid)));
        }
        let refused = failed("marking a lease as not shared");
        if let Some(uid) = self.table.alone(self.uid).map_err(&refused)? {
            return Ok(Err(theirs_alone(ifname, uid)));
        }
        if !shared {
            self.table.stay_alone(self.uid).map_err(&refused)?;
        }
        Ok(Ok(others.is_empty()))
    }

    fn lock_interface(&self, ifname: &str) -> Result<(), Failure> {
        match self.table.lock_interface().map_err(failed("locking the interface"))? {
            Ok(()) => Ok(()),
            Err(pid) => Err(Failure::new(
                Code::Busy,
                ifname,
                format!("process {pid} holds the lock of {ifname} for longer than a grant takes"),
            )
            .hint("try again; if it stays so, look at that process")),
        }
    }

    /// Remembers the objects that the end needs. They are copies of their own, and stay in this process.
    pub(crate) fn hold(&mut self, redirect: Redirect, program: u32) -> Result<(), Failure> {
        let Redirect { map, slots, link, .. } = redirect;
        let link = map.is_changeable().then_some(link);
        let (pins, missing) = match PinFolder::open(&folder(self.key)) {
            Ok(pins) => (Some(pins), None),
            Err(error) => (None, Some(program::explain(&error))),
        };
        self.objects = Some(Objects { map, slots, link, program, pins });
        self.table.use_program(program).map_err(failed("marking the program as used"))?;
        missing.map_or(Ok(()), Err)
    }

    /// From which its end removes files.
    pub(crate) fn folders(&self) -> Vec<BorrowedFd<'_>> {
        let pins = self.objects.iter().filter_map(|objects| objects.pins.as_ref().map(AsFd::as_fd));
        pins.chain([self.texts.as_fd()]).collect()
    }

    /// Whether the program is on an interface, in whichever namespace that is by now. Before Linux 5.19 a keeper is not
    /// told.
    pub(crate) fn is_attached(&self) -> bool {
        let link = self.objects.as_ref().and_then(|objects| objects.link.as_ref());
        link.is_some_and(|link| link.info().is_ok_and(|info| info.ifindex != 0))
    }

    /// Puts a socket into the slot of one of its queues, or has it wait for its consumer.
    pub(crate) fn fill(&mut self, queue: u32, socket: &OwnedFd, ifname: &str) -> Result<(), Failure> {
        let Some(Objects { map, slots, .. }) = &self.objects else {
            return Err(Failure::internal("filling a slot", "there is no map"));
        };
        if sockets::insert(map, queue, socket, ifname)? {
            self.filled.push(queue);
            return Ok(());
        }
        self.deferred.admit((map, slots), queue, socket, ifname)
    }

    /// Whether this process could empty the slots as a keeper, without a capability.
    pub(crate) fn can_end(&self) -> bool {
        self.objects.as_ref().is_none_or(|objects| objects.map.is_changeable())
    }

    /// Whether sockets wait for their consumer.
    pub(crate) fn waits(&self) -> bool {
        self.deferred.pause().is_some()
    }

    /// When [`Self::insert_deferred`] is worth a try again.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.deferred.pause()
    }

    /// Puts the sockets that waited into their slots, as far as their consumer has set them up.
    pub(crate) fn insert_deferred(&mut self) {
        if let Some(objects) = &self.objects {
            self.filled.extend(self.deferred.fill(&objects.map));
        }
    }

    /// Has the bind guard hold the sockets to their queues. On an interface that got its program just now, no
    /// lease of before is alive but those whose queues are held.
    pub(crate) fn guard(&mut self, guard: Guard, sockets: &[OwnedFd], fresh: bool) -> Result<(), Failure> {
        if fresh {
            guard.forget_dead(self.key, &self.table.holders().map_err(failed("reading the lease table"))?)?;
        }
        guard.hold(self.key, self.number, self.first_queue, sockets)?;
        self.living = Some(guard.into_leases());
        Ok(())
    }

    /// Ends the lease: the queues leave the map, and with the last one the program leaves the interface.
    /// Without a capability, from a keeper. Every step is tried whatever became of the one before.
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
            self.table.unlock_interface();
        }
        locked
    }

    /// Takes the program off if nobody uses it. Only with the interface's lock held: without it,
    /// somebody may just be granted a queue, and what stays behind is the next request's to remove,
    /// or `reap`'s.
    pub(crate) fn take_off(&mut self) {
        if self.objects.is_none() {
            return;
        }
        let locked = self.lock_interface("the interface").is_ok();
        self.leave_program(locked);
        if locked {
            self.table.unlock_interface();
        }
    }

    /// Of two that leave it together the later one sees, by the interface's lock, that it is the
    /// last.
    fn leave_program(&mut self, locked: bool) {
        if let Some(objects) = self.objects.take() {
            if locked && self.unused(&objects) {
                objects.remove(self.key);
            }
        }
        self.table.leave_program();
    }

    /// Gives everything back but the program. A lease that never came to it has none.
    fn undo(&mut self) {
        if let Some(living) = &self.living {
            guard::end(living, self.key, self.taken.iter().copied());
        }
        self.deferred.clear();
        if let Some(Objects { map, .. }) = &self.objects {
            for queue in self.filled.drain(..) {
                // A slot that cannot be emptied (before Linux 5.19, without a capability) empties with its socket.
                let _ = map.remove(queue);
            }
        }
        failpoint!("end-emptied");
        // A text that stays behind is never shown, since its process holds nothing any more.
        let _ = Record::remove(&self.texts, self.key, self.first_queue);
        self.give_back();
        failpoint!("end-given-back");
        self.living = None;
    }

    fn give_back(&mut self) {
        self.taken.clear();
        self.table.give_back();
    }

    /// Nobody else has a lease that uses the program, or has it linger, and every slot that can be
    /// read is empty.
    fn unused(&self, Objects { map, slots, program, .. }: &Objects) -> bool {
        let free = self.table.is_used(*program).is_ok_and(|used| !used);
        free && match slots.occupied_of(map) {
            Ok(occupied) => occupied.is_empty(),
            // Before Linux 6.1 the slots cannot be read without a capability; then the locks decide alone.
            Err(error) => error.errno == libc::EPERM,
        }
    }
}

/// A process that was killed loses its locks before its sockets and its program are gone.
fn passing(failure: &Failure) -> bool {
    matches!(failure.code(), Code::Busy | Code::ForeignProgram)
}

fn held(ifname: &str, queue: u32, holder: Holder) -> Failure {
    let Holder { uid, pid, .. } = holder;
    Failure::new(
        Code::Busy,
        ifname,
        format!("queue {queue} of {ifname} is leased to uid {uid} (keeper {pid})"),
    )
    .hint("wait for it with --wait, or ask for another queue with start-queue=")
}

fn unshared(ifname: &str, uid: u32) -> Failure {
    Failure::new(
        Code::Busy,
        ifname,
        format!("uid {uid} has leases on {ifname}, and the policy does not share it"),
    )
    .hint("the administrator can set shared = true in the rule")
}

fn theirs_alone(ifname: &str, uid: u32) -> Failure {
    Failure::new(
        Code::Busy,
        ifname,
        format!("uid {uid} has leases on {ifname} by a rule that does not share it"),
    )
    .hint("the administrator can set shared = true in that rule, which counts for leases to come")
}

/// Takes the program off the interface and removes its pins. The interface's lock is held.
pub(crate) fn remove_program(key: Key) {
    let dir = folder(key);
    if let Ok(link) = Redirect::open_link(&dir) {
        // Where the detach is refused, the link still goes with its last pin.
        let _ = link.detach();
        failpoint!("end-detached");
    }
    log_unpinned(key, Redirect::unpin(&dir));
}

fn log_unpinned(key: Key, unpinned: Result<(), xsk_bpf::Error>) {
    if let Err(error) = unpinned {
        Line::new(What::Error).with("pins", folder(key).display()).with("error", error).log();
    }
}
