// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may happen to a host. Each is a step of a round, and leaves the host ready for the next
//! step.

use std::time::Instant;

use xsk_tests::lab::link::ip;
use xsk_tests::lab::wire::{Leased, acquire};
use xsk_tests::lab::{HELPER, SOCKET, SOON, Wire};
use xsk_tests::proto::{Acquire, Code, Param, Refused, Value, param};

use crate::actor::{Actor, Hand};
use crate::dice::Dice;
use crate::failpoints;
use crate::world::{World, within_a_second};

type Deed = fn(&mut World, &mut Dice);

/// The deeds, some of them more than once: so often they come.
const DEEDS: [Deed; 21] = [
    a_keeper_is_killed,
    a_keeper_is_killed,
    a_client_is_killed,
    a_client_is_killed,
    a_client_is_killed,
    the_listener_is_killed,
    everything_is_killed,
    failpoints::killed_at_a_step,
    failpoints::killed_at_a_step,
    failpoints::killed_at_a_step,
    failpoints::killed_at_a_step,
    failpoints::killed_at_a_step,
    the_interface_is_renamed,
    the_interface_is_replaced,
    the_interface_goes_down_and_up,
    the_socket_goes_and_the_lease_stays,
    the_lease_goes_and_the_socket_stays,
    the_end_is_parked,
    the_lease_is_revoked,
    somebody_reaps,
    joins,
];

/// One of them.
pub(crate) fn one(world: &mut World, dice: &mut Dice) {
    dice.pick(&DEEDS)(world, dice);
}

/// A request over the listener or by an exec, with options by chance.
pub(crate) fn asks(
    world: &World,
    dice: &mut Dice,
    cable: usize,
    user: usize,
    first: u32,
    queues: u32,
) -> Result<(Wire, Leased), Refused> {
    let user = world.user(user);
    // What was executed has to live until it has forked off: it has by its first answer.
    let run = dice.one_in(4).then(|| world.lab.exec(user));
    let (wire, _run) = match run {
        Some((wire, run)) => (wire, Some(run)),
        None => (Wire::connect_as(SOCKET, user), None),
    };
    let flag = |name: &str| Param { name: name.into(), value: Value::Flag(true) };
    let params = if dice.one_in(4) { vec![flag(param::PROMISC)] } else { Vec::new() };
    wire.greet();
    let grant = wire.ask(Acquire { params, ..acquire(&world.name(cable), first, queues) })?;
    Ok((wire, grant))
}

impl World {
    /// Takes somebody with his grant in; with the moment at which the queue's last holder died.
    pub(crate) fn joined(
        &mut self,
        cable: usize,
        wire: Wire,
        grant: Leased,
        since: Option<Instant>,
    ) {
        let actor = Actor::client(cable, wire, grant);
        if let Some(since) = since {
            self.tally.handovers.push(since.elapsed());
        }
        self.programs.push(actor.program);
        self.cables[cable].used = true;
        self.tally.leases += 1;
        self.actors.push(actor);
    }

    /// Somebody's place among those for whom it holds.
    fn somebody(&self, dice: &mut Dice, fits: impl Fn(&Actor) -> bool) -> Option<usize> {
        let able: Vec<usize> = (0..self.actors.len()).filter(|n| fits(&self.actors[*n])).collect();
        if able.is_empty() { None } else { Some(dice.pick(&able)) }
    }

    /// Somebody else has the queues of one who has just let go, at the first attempt.
    fn takes_over(&mut self, dice: &mut Dice, cable: usize, queues: &[u32], since: Instant) {
        let (user, count) = (dice.below(3), queues.len() as u32);
        let (wire, grant) =
            asks(self, dice, cable, user, queues[0], count).unwrap_or_else(|refused| {
                panic!("queues {queues:?} are free and refused: {refused:?}")
            });
        self.joined(cable, wire, grant, Some(since));
    }

    fn is_busy(&self, dice: &mut Dice, cable: usize, queue: u32) {
        match asks(self, dice, cable, 0, queue, 1) {
            Err(refused) => assert_eq!(refused.code, Code::Busy, "{refused:?}"),
            Ok(_) => panic!("queue {queue} of {} was given away twice", self.name(cable)),
        }
    }
}

/// Somebody gets queues that nobody has.
pub(crate) fn joins(world: &mut World, dice: &mut Dice) {
    let cable = dice.below(world.cables.len());
    let free = world.free(cable);
    let Some(first) = free.first().copied() else { return };
    let user = dice.below(3);
    if dice.one_in(6) {
        world.note(format!("a backend of user {user} gets queue {first} of {}", world.name(cable)));
        return starts_backend(world, cable, user, first);
    }
    let count = if free.get(1) == Some(&(first + 1)) && dice.one_in(3) { 2 } else { 1 };
    world.note(format!("user {user} gets {count} queues from {first} of {}", world.name(cable)));
    let (wire, grant) = asks(world, dice, cable, user, first, count)
        .unwrap_or_else(|refused| panic!("a free queue is refused: {refused:?}"));
    world.joined(cable, wire, grant, None);
}

fn starts_backend(world: &mut World, cable: usize, user: usize, queue: u32) {
    let netdev = format!("af-xdp,id=n0,ifname={},start-queue={queue}", world.name(cable));
    let before = world.lab.helpers();
    let mut running = world
        .lab
        .cmd("xsk-client")
        .user(world.user(user))
        .args(["run", "--socket", SOCKET, "--"])
        .arg(world.lab.bin("xsk-backend"))
        .args(["--netdev", &netdev, "--peer", "reflect"])
        .start();
    running.says("ready:", SOON);
    let keeper = world.lab.helpers().into_iter().find(|p| !before.contains(p)).unwrap();
    let program = world.lab.xdp(&world.name(cable)).unwrap().id as u32;
    world.programs.push(program);
    world.cables[cable].used = true;
    world.tally.leases += 1;
    let (queues, hand) = (vec![queue], Hand::Backend(running));
    world.actors.push(Actor { cable, queues, keeper, program, hand });
}

fn a_keeper_is_killed(world: &mut World, dice: &mut Dice) {
    let Some(n) = world.somebody(dice, Actor::leased) else { return };
    let Actor { cable, keeper, ref queues, .. } = world.actors[n];
    let queue = queues[0];
    world.note(format!("the keeper of queue {queue} of {} is killed", world.name(cable)));
    keeper.kill();
    world.tally.kills += 1;
    world.cables[cable].residue = true;
    within_a_second("a killed keeper to be gone", || !keeper.is_live());
    if dice.one_in(4) {
        world.is_busy(dice, cable, queue);
    }
}

/// And the next one has its queues.
fn a_client_is_killed(world: &mut World, dice: &mut Dice) {
    let Some(n) = world.somebody(dice, |_| true) else { return };
    let actor = world.actors.swap_remove(n);
    let (cable, queues) = (actor.cable, actor.queues.clone());
    world.note(format!("the holder of queues {queues:?} of {} dies", world.name(cable)));
    let since = Instant::now();
    actor.dies();
    world.tally.kills += 1;
    world.takes_over(dice, cable, &queues, since);
}

fn the_listener_is_killed(world: &mut World, _: &mut Dice) {
    world.note("the listener is killed");
    drop(world.listener.take().unwrap().kill());
    world.tally.kills += 1;
    world.listens();
}

fn everything_is_killed(world: &mut World, _: &mut Dice) {
    world.note("everything is killed");
    let helpers = world.lab.helpers();
    helpers.iter().for_each(|p| p.kill());
    world.tally.kills += helpers.len() as u64;
    world.actors.drain(..).for_each(Actor::dies);
    drop(world.listener.take().unwrap().kill());
    world.cables.iter_mut().for_each(|cable| cable.residue = true);
    world.listens();
}

fn the_interface_is_renamed(world: &mut World, dice: &mut Dice) {
    let cable = dice.below(world.cables.len());
    let old = world.name(cable);
    let new =
        if old.ends_with('x') { old.trim_end_matches('x').to_owned() } else { format!("{old}x") };
    world.note(format!("{old} is renamed to {new}"));
    ip(&["link", "set", "dev", &old, "name", &new]);
    world.cables[cable].veth.ifname = new;
}

/// The old leases end, and the new interface of that name is nobody's.
fn the_interface_is_replaced(world: &mut World, dice: &mut Dice) {
    let cable = dice.below(world.cables.len());
    world.note(format!("{} is deleted and made again", world.name(cable)));
    let leased: Vec<_> =
        world.actors.iter().filter(|a| a.cable == cable).map(|a| a.keeper).collect();
    world.replaces(cable);
    within_a_second("the leases of the old interface to end", || {
        !leased.iter().any(|k| k.is_live())
    });
    assert_eq!(world.lab.xdp(&world.name(cable)), None, "the new interface has a program");
    let all = std::mem::take(&mut world.actors);
    let (gone, stay) = all.into_iter().partition(|actor| actor.cable == cable);
    world.actors = stay;
    let all: Vec<u32> = (0..world.cables[cable].veth.queues).collect();
    let since = Instant::now();
    if dice.one_in(2) {
        // The old sockets are still there, and of no concern to the new interface.
        world.takes_over(dice, cable, &all[..1], since);
        Vec::into_iter(gone).for_each(Actor::dies);
    } else {
        Vec::into_iter(gone).for_each(Actor::dies);
        world.takes_over(dice, cable, &all, since);
    }
}

fn the_interface_goes_down_and_up(world: &mut World, dice: &mut Dice) {
    let name = world.name(dice.below(world.cables.len()));
    world.note(format!("{name} goes down and up"));
    ip(&["link", "set", "dev", &name, "down"]);
    ip(&["link", "set", "dev", &name, "up"]);
}

fn is_client(actor: &Actor) -> bool {
    matches!(&actor.hand, Hand::Client { wire: Some(_), bound } if !bound.is_empty())
        && actor.leased()
}

fn the_socket_goes_and_the_lease_stays(world: &mut World, dice: &mut Dice) {
    let Some(n) = world.somebody(dice, is_client) else { return };
    let (cable, queues) = (world.actors[n].cable, world.actors[n].queues.clone());
    world.note(format!(
        "the sockets of queues {queues:?} of {} go, the lease stays",
        world.name(cable)
    ));
    if let Hand::Client { bound, .. } = &mut world.actors[n].hand {
        bound.clear();
    }
    if dice.one_in(2) {
        world.is_busy(dice, cable, queues[0]);
    }
    let (actor, since) = (world.actors.swap_remove(n), Instant::now());
    actor.dies();
    world.takes_over(dice, cable, &queues, since);
}

fn the_lease_goes_and_the_socket_stays(world: &mut World, dice: &mut Dice) {
    let Some(n) = world.somebody(dice, is_client) else { return };
    let (cable, queues, keeper) =
        (world.actors[n].cable, world.actors[n].queues.clone(), world.actors[n].keeper);
    world.note(format!(
        "the lease of queues {queues:?} of {} goes, the sockets stay",
        world.name(cable)
    ));
    let mut actor = world.actors.swap_remove(n);
    if let Hand::Client { wire, .. } = &mut actor.hand {
        drop(wire.take());
    }
    within_a_second("the keeper to end", || !keeper.is_live());
    if dice.one_in(2) {
        world.is_busy(dice, cable, queues[0]);
    }
    let since = Instant::now();
    actor.dies();
    world.takes_over(dice, cable, &queues, since);
}

fn the_end_is_parked(world: &mut World, dice: &mut Dice) {
    let Some(n) = world.somebody(dice, is_client) else { return };
    let mut actor = world.actors.swap_remove(n);
    let (cable, queues, keeper) = (actor.cable, actor.queues.clone(), actor.keeper);
    world.note(format!("the holder of queues {queues:?} of {} parks its end", world.name(cable)));
    actor.parks();
    within_a_second("the keeper to see through it", || !keeper.is_live());
    let since = Instant::now();
    actor.dies();
    world.takes_over(dice, cable, &queues, since);
}

fn the_lease_is_revoked(world: &mut World, dice: &mut Dice) {
    let Some(n) = world.somebody(dice, is_client) else { return };
    let actor = world.actors.swap_remove(n);
    let (cable, queues) = (actor.cable, actor.queues.clone());
    let (name, queue) = (world.name(cable), queues[0].to_string());
    world.note(format!("queue {queue} of {name} is revoked"));
    let done = world.lab.cmd(HELPER).args(["revoke", &name, "--queue", &queue]).run(SOON).ok();
    assert!(done.stdout.starts_with("1 lease"), "{}", done.stdout);
    within_a_second("the keeper to end", || !actor.keeper.is_live());
    if let Hand::Client { wire: Some(wire), .. } = &actor.hand {
        assert!(wire.ends(SOON), "the client is not told");
    }
    let since = Instant::now();
    actor.dies();
    world.takes_over(dice, cable, &queues, since);
}

/// Beside running leases it does no harm; what comes next shows it.
fn somebody_reaps(world: &mut World, _: &mut Dice) {
    world.note("reap");
    drop(world.lab.cmd(HELPER).arg("reap").run(SOON).ok());
}
