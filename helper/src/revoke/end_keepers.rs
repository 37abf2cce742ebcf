// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends keepers, and proves it: a lease has ended when the locks of its keeper are gone and its
//! slots are empty. A keeper gets SIGTERM, and SIGKILL if it stays, both through a descriptor of a
//! process that is proven to hold the lock after the descriptor was opened. What a killed keeper
//! leaves is cleared here.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::orphan_slots::{self, Cleared, Left};
use super::processes::{Processes, System};
use crate::error::Failure;
use crate::leases::key::Key;
use crate::leases::table::Holder;

/// How long the keepers are given.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// After SIGTERM. A keeper waits for the interface's lock for 2 s itself.
    told: Duration,
    /// After SIGKILL, for the kernel to take the process down.
    killed: Duration,
}

const PATIENCE: Patience =
    Patience { told: Duration::from_millis(2500), killed: Duration::from_secs(1) };

/// What became of a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended when told to.
    Told,
    /// It had to be killed.
    Killed,
    /// It was killed, and holds its queues still.
    Holding,
}

/// A lease that was ended, as far as it could be.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) uid: u32,
    pub(crate) keeper: u32,
    pub(crate) key: Key,
    pub(crate) queues: Vec<u32>,
    pub(crate) end: End,
    /// What its keeper had left.
    pub(crate) cleared: Cleared,
}

/// A process that holds queues of one interface.
#[derive(Debug)]
struct Keeper<P> {
    process: P,
    key: Key,
    held: Vec<Holder>,
    end: End,
}

/// Ends the leases that these belong to, all at the same time. Those that are gone meanwhile are
/// left out.
pub(crate) fn end(chosen: &[(Key, Holder)]) -> Result<Vec<Ended>, Failure> {
    let stopped = stop(&System, chosen, PATIENCE);
    let stopped = stopped.map_err(|error| Failure::sys("signalling a keeper", error))?;
    stopped.into_iter().map(Keeper::cleared).collect()
}

/// Tells the keepers, waits, kills those that stay, and waits again.
fn stop<S: Processes>(
    system: &S,
    chosen: &[(Key, Holder)],
    patience: Patience,
) -> io::Result<Vec<Keeper<S::Process>>> {
    let mut keepers = Vec::new();
    for (key, holder) in first_queues(chosen) {
        keepers.extend(Keeper::tell(system, key, holder)?);
    }
    wait(system, &keepers, patience.told)?;
    for keeper in &mut keepers {
        keeper.kill_if_it_holds(system)?;
    }
    wait(system, &keepers, patience.killed)?;
    for keeper in &mut keepers {
        if keeper.holds(system)? {
            keeper.end = End::Holding;
        }
    }
    Ok(keepers)
}

/// One queue of each process.
fn first_queues(chosen: &[(Key, Holder)]) -> Vec<(Key, Holder)> {
    let mut first: Vec<(Key, Holder)> = Vec::new();
    for (key, holder) in chosen {
        if !first.iter().any(|(_, known)| known.pid == holder.pid) {
            first.push((*key, *holder));
        }
    }
    first
}

/// Returns the queues that this process holds, if the one that it was chosen for is among them. The
/// process id was read before the descriptor was opened, so this is the proof that the descriptor
/// is the keeper's.
fn proven(mut now: Vec<Holder>, chosen: Holder) -> Option<Vec<Holder>> {
    now.retain(|other| other.pid == chosen.pid);
    now.contains(&chosen).then_some(now)
}

impl<P> Keeper<P> {
    /// Sends SIGTERM to the process that holds this now. `None` if no process does any more.
    fn tell<S: Processes<Process = P>>(
        system: &S,
        key: Key,
        holder: Holder,
    ) -> io::Result<Option<Self>> {
        let Some(process) = gone_is_none(system.open(holder.pid))? else { return Ok(None) };
        let Some(held) = proven(system.holders(key)?, holder) else { return Ok(None) };
        let sent = gone_is_none(system.signal(&process, Signal::SIGTERM))?;
        Ok(sent.map(|()| Self { process, key, held, end: End::Told }))
    }

    /// Returns whether it has a queue still.
    fn holds<S: Processes<Process = P>>(&self, system: &S) -> io::Result<bool> {
        let now = system.holders(self.key)?;
        Ok(self.held.iter().any(|held| now.contains(held)))
    }

    /// Kills it if it holds a queue still. By then it is the same process, or the signal finds
    /// none.
    fn kill_if_it_holds<S: Processes<Process = P>>(&mut self, system: &S) -> io::Result<()> {
        if self.holds(system)? {
            self.end = End::Killed;
            gone_is_none(system.signal(&self.process, Signal::SIGKILL))?;
        }
        Ok(())
    }

    /// Empties the slots that it left, and says what became of it.
    fn cleared(self) -> Result<Ended, Failure> {
        let queues: Vec<u32> = self.held.iter().map(|held| held.queue).collect();
        let (keeper, uid) = self.held.first().map_or((0, 0), |held| (held.pid, held.uid));
        let left = Left { keeper, killed: self.end != End::Told };
        let cleared = orphan_slots::clear(self.key, Some(left), |queue| queues.contains(&queue))?;
        Ok(Ended { uid, keeper, key: self.key, queues, end: self.end, cleared })
    }
}

/// Waits until none of them holds a queue, or the time is up.
fn wait<S: Processes>(
    system: &S,
    keepers: &[Keeper<S::Process>],
    patience: Duration,
) -> io::Result<()> {
    let end = Instant::now() + patience;
    for keeper in keepers {
        while keeper.holds(system)? && Instant::now() < end {
            system.pause();
        }
    }
    Ok(())
}

/// A process that does not exist any more is no error.
fn gone_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::leases::key::Netns;

    const KEY: Key = Key { netns: Netns::Cookie(1), ifindex: 2 };
    const NOW: Patience = Patience { told: Duration::ZERO, killed: Duration::ZERO };

    const fn holder(queue: u32, pid: u32) -> Holder {
        Holder { queue, uid: 1000, pid }
    }

    /// A lease table and its processes. A process lets go of its queues at the signal that it
    /// heeds, or at the next pause after it.
    struct Fake {
        held: RefCell<Vec<Holder>>,
        heeds: Option<Signal>,
        /// Those that let go at the next pause. Without it, all let go at once.
        ending: Option<RefCell<Vec<u32>>>,
        done: RefCell<Vec<String>>,
    }

    impl Fake {
        fn new(held: &[Holder], heeds: Option<Signal>) -> Self {
            Self {
                held: RefCell::new(held.to_vec()),
                heeds,
                ending: None,
                done: RefCell::default(),
            }
        }

        fn did(&self, what: String) {
            self.done.borrow_mut().push(what);
        }

        fn signals(&self) -> Vec<String> {
            self.done.borrow().iter().filter(|what| what.starts_with("SIG")).cloned().collect()
        }

        /// Ends the leases of these, and returns what became of their keepers.
        fn stop(&self, chosen: &[Holder]) -> Vec<End> {
            let chosen: Vec<_> = chosen.iter().map(|holder| (KEY, *holder)).collect();
            stop(self, &chosen, NOW).unwrap().iter().map(|keeper| keeper.end).collect()
        }
    }

    impl Processes for Fake {
        type Process = u32;

        fn open(&self, pid: u32) -> io::Result<u32> {
            self.did(format!("open {pid}"));
            if pid == 404 { Err(io::Error::from_raw_os_error(libc::ESRCH)) } else { Ok(pid) }
        }

        fn holders(&self, key: Key) -> io::Result<Vec<Holder>> {
            assert_eq!(key, KEY);
            self.did("holders".to_owned());
            Ok(self.held.borrow().clone())
        }

        fn signal(&self, process: &u32, signal: Signal) -> io::Result<()> {
            self.did(format!("{signal} {process}"));
            match &self.ending {
                _ if self.heeds != Some(signal) => {}
                Some(ending) => ending.borrow_mut().push(*process),
                None => self.held.borrow_mut().retain(|holder| holder.pid != *process),
            }
            Ok(())
        }

        fn pause(&self) {
            let ending = self.ending.as_ref().map(RefCell::take).unwrap_or_default();
            self.held.borrow_mut().retain(|holder| !ending.contains(&holder.pid));
        }
    }

    #[test]
    fn only_a_process_that_is_proven_to_hold_the_lock_is_signalled() {
        // The number is another process's by now, or its queue is another's, or it has another
        // queue.
        for now in [vec![], vec![holder(0, 8)], vec![holder(1, 7)]] {
            let fake = Fake::new(&now, Some(Signal::SIGTERM));
            assert_eq!(fake.stop(&[holder(0, 7)]), []);
            assert!(fake.signals().is_empty(), "{now:?}");
        }
        let fake = Fake::new(&[holder(0, 7)], Some(Signal::SIGTERM));
        assert_eq!(fake.stop(&[holder(0, 7)]), [End::Told]);
        assert_eq!(fake.done.borrow()[..3], ["open 7", "holders", "SIGTERM 7"]);
        assert_eq!(fake.signals(), ["SIGTERM 7"]);
    }

    #[test]
    fn a_keeper_that_stays_is_killed_and_one_that_stays_even_then_is_named() {
        let fake = Fake::new(&[holder(0, 7), holder(1, 7), holder(2, 9)], Some(Signal::SIGKILL));
        assert_eq!(fake.stop(&[holder(0, 7), holder(1, 7)]), [End::Killed]);
        assert_eq!(fake.signals(), ["SIGTERM 7", "SIGKILL 7"]);
        let fake = Fake::new(&[holder(0, 7)], None);
        assert_eq!(fake.stop(&[holder(0, 7)]), [End::Holding]);
        assert_eq!(fake.signals(), ["SIGTERM 7", "SIGKILL 7"]);
    }

    #[test]
    fn each_keeper_is_given_its_time() {
        const LONG: Patience =
            Patience { told: Duration::from_secs(600), killed: Duration::from_secs(600) };
        for (heeds, end) in [(Signal::SIGTERM, End::Told), (Signal::SIGKILL, End::Killed)] {
            let patience =
                if heeds == Signal::SIGTERM { LONG } else { Patience { told: NOW.told, ..LONG } };
            let held = [holder(0, 7), holder(1, 8)];
            let fake = Fake { ending: Some(RefCell::default()), ..Fake::new(&held, Some(heeds)) };
            let keepers = stop(&fake, &held.map(|holder| (KEY, holder)), patience).unwrap();
            assert_eq!(keepers.iter().map(|keeper| keeper.end).collect::<Vec<_>>(), [end, end]);
        }
    }

    #[test]
    fn a_process_that_is_gone_is_left_out() {
        let fake = Fake::new(&[holder(0, 404), holder(1, 7)], Some(Signal::SIGTERM));
        assert_eq!(fake.stop(&[holder(0, 404), holder(1, 7)]), [End::Told]);
        assert_eq!(fake.signals(), ["SIGTERM 7"]);
        let denied = gone_is_none::<()>(Err(io::Error::from_raw_os_error(libc::EPERM)));
        assert_eq!(denied.unwrap_err().raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn the_proof_has_all_queues_of_the_process() {
        let now = vec![holder(0, 7), holder(1, 8), holder(2, 7)];
        assert_eq!(proven(now.clone(), holder(2, 7)), Some(vec![holder(0, 7), holder(2, 7)]));
        assert_eq!(proven(now, Holder { uid: 1001, ..holder(2, 7) }), None);
    }
}
