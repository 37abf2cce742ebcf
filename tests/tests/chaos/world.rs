// SPDX-License-Identifier: MIT OR Apache-2.0
//! One host with three interfaces and three users, and what happens on it in a round.

use std::fmt;
use std::time::{Duration, Instant};

use xsk_tests::lab::link::ip;
use xsk_tests::lab::{self, Lab, Running, SOCKET, SOON, User, Veth, Wire, afxdp, packet};

use crate::actor::{Actor, Hand};
use crate::dice::Dice;
use crate::{check, deeds};

const QUEUES: [u32; 3] = [4, 2, 1];
const DEEDS: usize = 4;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) deeds: u64,
    pub(crate) leases: u64,
    /// From kill -9 of a holder to a bound socket of the next one's.
    pub(crate) handovers: Vec<Duration>,
}

impl Tally {
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.kills += other.kills;
        self.deeds += other.deeds;
        self.leases += other.leases;
        self.handovers.extend(other.handovers);
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.handovers.clone();
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        write!(f, "{} deeds, {} kills, {} leases; ", self.deeds, self.kills, self.leases)?;
        write!(f, "from kill -9 to a bound socket of the next holder ({} times): ", times.len())?;
        write!(f, "median {:.1?}, 99 % {:.1?}", at(50), at(99))
    }
}

/// A cable, and what the round has done to it.
pub(crate) struct Cable {
    pub(crate) veth: Veth,
    pub(crate) number: u8,
    /// Somebody used it in this round.
    pub(crate) used: bool,
    /// A helper or keeper was killed there: residue may wait for the next request, or for `reap`.
    pub(crate) residue: bool,
}

/// The host.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) others: Vec<User>,
    pub(crate) cables: Vec<Cable>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) listener: Option<Running>,
    /// The helper that stands still, if it was built.
    pub(crate) stopping: Result<std::path::PathBuf, String>,
    pub(crate) programs: Vec<u32>,
    pub(crate) tally: Tally,
    seed: u64,
    round: u64,
    story: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let lab = Lab::new().unwrap();
        let others = vec![lab.another_user(), lab.another_user()];
        let users = [lab.user.uid, others[0].uid, others[1].uid];
        lab.policy(&format!(
            "[[allow]]\nusers = {users:?}\ninterfaces = [\"eth*\"]\nshared = true\npromisc = true\nbusy_poll = true\n"
        ));
        let cables = QUEUES.iter().map(|queues| (lab.veth(*queues), *queues)).zip(1..);
        let cables = cables
            .map(|((veth, _), number)| Cable { veth, number, used: false, residue: false })
            .collect();
        lab.bin("xsk-helper");
        let stopping = lab.install_stopping_helper();
        let mut world = Self {
            lab,
            others,
            cables,
            actors: Vec::new(),
            listener: None,
            stopping,
            programs: Vec::new(),
            tally: Tally::default(),
            seed,
            round: 0,
            story: Vec::new(),
        };
        world.listens();
        if let Err(why) = &world.stopping {
            lab::say_skipped(&format!("kills between the steps of a helper: {why}"));
        }
        world
    }

    /// One round, from a host that nobody uses to the same.
    pub(crate) fn round(&mut self, round: u64) {
        (self.round, self.story) = (round, Vec::new());
        let mut dice = Dice::new(self.seed, round);
        for _ in 0..2 + dice.below(3) {
            deeds::joins(self, &mut dice);
        }
        for _ in 0..1 + dice.below(DEEDS) {
            deeds::one(self, &mut dice);
            self.tally.deeds += 1;
            self.traffic(&mut dice);
        }
        check::status_is_true(self);
        self.note("the curtain");
        self.actors.drain(..).for_each(Actor::dies);
        check::nothing_is_stranded(self, &mut dice);
    }

    /// Remembers what was done, for the message where it goes wrong.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    pub(crate) fn user(&self, number: usize) -> &User {
        if number == 0 { &self.lab.user } else { &self.others[number - 1] }
    }

    pub(crate) fn name(&self, cable: usize) -> String {
        self.cables[cable].veth.ifname.clone()
    }

    /// Starts a listener, in place of one that may have been killed.
    pub(crate) fn listens(&mut self) {
        let options = ["listen", "--socket", SOCKET, "--socket-mode", "0666"];
        let mut listener = self.lab.cmd("xsk-helper").args(options).start();
        // A child that the killed one had just forked may hold the old address for a moment longer.
        listener.says("listening on", SOON);
        self.listener = Some(listener);
        drop(Wire::connect(SOCKET));
    }

    pub(crate) fn listener(&self) -> u32 {
        self.listener.as_ref().map_or(0, Running::pid)
    }

    /// The queues of a cable that no actor has.
    pub(crate) fn free(&self, cable: usize) -> Vec<u32> {
        let taken =
            |queue: &u32| self.actors.iter().any(|a| a.cable == cable && a.queues.contains(queue));
        (0..self.cables[cable].veth.queues).filter(|queue| !taken(queue)).collect()
    }

    /// One who holds a bound socket in this process receives what the peer sends.
    fn traffic(&mut self, dice: &mut Dice) {
        let bound = |a: &Actor| matches!(&a.hand, Hand::Client { bound, .. } if !bound.is_empty());
        let able: Vec<usize> = (0..self.actors.len()).filter(|n| bound(&self.actors[*n])).collect();
        if able.is_empty() {
            return;
        }
        let chosen = dice.pick(&able);
        let veth = self.cables[self.actors[chosen].cable].veth.clone();
        let Hand::Client { bound, .. } = &mut self.actors[chosen].hand else { return };
        let (queue, socket) = &mut bound[0];
        self.lab.steer(&veth, *queue);
        let text = format!("round {}", self.round);
        self.lab.peer_tap(&veth).send(&packet::frame(&text));
        assert!(
            afxdp::receives(socket, &text, SOON),
            "{} queue {queue} receives nothing",
            veth.ifname
        );
    }

    /// Makes a cable anew under the same name; another index, another interface.
    pub(crate) fn replaces(&mut self, cable: usize) {
        let Cable { veth, number, .. } = &self.cables[cable];
        let (name, number, queues) = (veth.ifname.clone(), *number, veth.queues);
        ip(&["link", "delete", "dev", &name]);
        self.cables[cable].veth = self.lab.veth_named(&name, number, queues);
    }

    pub(crate) fn end(mut self) -> Tally {
        self.listener = None;
        std::mem::take(&mut self.tally)
    }
}

impl Drop for World {
    /// Says how to see it again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, round) = (self.seed, self.round);
            lab::say_figure(&format!(
                "FAILED in round {round}: SEED={seed} FIRST={round} ROUNDS=1 repeats it"
            ));
            self.story.iter().for_each(|line| lab::say_figure(&format!("  {line}")));
            self.lab
                .helpers()
                .iter()
                .for_each(|p| lab::say_figure(&format!("  there is {}", p.describe())));
            self.lab
                .pins()
                .iter()
                .for_each(|pin| lab::say_figure(&format!("  there is {}", pin.display())));
            let said = self.listener.as_ref().map(Running::stderr).unwrap_or_default();
            lab::say_figure(&format!("  the listener said: {said}"));
        }
    }
}

/// Waits until it holds, for a second on a machine that does nothing else.
pub(crate) fn within_a_second(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        // Parallel hosts and a slow machine make no promise wrong: three seconds here.
        assert!(begin.elapsed() < Duration::from_secs(3), "a second was not enough for {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}
