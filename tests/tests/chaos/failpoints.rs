// SPDX-License-Identifier: MIT OR Apache-2.0
//! A helper that stops between two of its steps, and is killed there.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{acquire, pair};
use xsk_tests::lab::{Lab, Running, User, Wire};
use xsk_tests::proto::{Hello, Request};

use crate::deeds::asks;
use crate::dice::Dice;
use crate::world::World;

/// Where the test names the step.
const FILE: &str = "/run/xsk-helper/failpoint";

/// The steps of a grant, in their order.
const GRANT: [&str; 19] = [
    "forked",
    "folders",
    "isolated",
    "counted",
    "slot",
    "sockets",
    "locked",
    "claimed",
    "loaded",
    "attached",
    "folder",
    "installed",
    "inserted",
    "unlocked",
    "granted",
    "sent",
    "keeper",
    "renounced",
    "filtered",
];
/// The steps of a lease's end.
const END: [&str; 5] = ["end", "end-locked", "end-emptied", "end-given-back", "end-detached"];
/// Steps that are only there where the interface had no program, or loses it.
const ALONE: [&str; 4] = ["loaded", "attached", "folder", "end-detached"];
/// Steps at which the interface's lock is held.
const LOCKED: [&str; 10] = [
    "locked",
    "claimed",
    "loaded",
    "attached",
    "folder",
    "installed",
    "inserted",
    "end-locked",
    "end-emptied",
    "end-detached",
];

/// Kills a helper at a step, on a queue that nobody has; the next one has that queue at the first
/// attempt.
pub(crate) fn killed_at_a_step(world: &mut World, dice: &mut Dice) {
    let Ok(helper) = world.stopping.clone() else { return };
    let Some((cable, queue)) = a_free_queue(world, dice) else { return };
    let step = if dice.one_in(3) { dice.pick(&END) } else { dice.pick(&GRANT) };
    let alone =
        world.actors.iter().all(|actor| actor.cable != cable) && !world.cables[cable].residue;
    if ALONE.contains(&step) && !alone {
        return;
    }
    let user = dice.below(3);
    world.note(format!("a helper for queue {queue} of {} is killed at {step}", world.name(cable)));
    stop_at(step);
    let (wire, running) = asked(&world.lab, &helper, world.user(user), &world.name(cable), queue);
    let mut wire = Some(wire);
    if END.contains(&step) && answers(&world.lab, wire.as_ref().unwrap(), step) {
        drop(wire.take());
    }
    let stopped = stands(&world.lab, step, &running);
    meanwhile(world, dice, cable, queue, step);
    stopped.kill();
    world.tally.kills += 1;
    (world.cables[cable].residue, world.cables[cable].used) = (true, true);
    drop((wire, running));
    stop_at("");
    let (begin, next) = (Instant::now(), dice.below(3));
    let (wire, grant) = asks(world, dice, cable, next, queue, 1)
        .unwrap_or_else(|refused| panic!("after a kill at {step}: {refused:?}"));
    world.joined(cable, wire, grant, Some(begin));
}

fn a_free_queue(world: &World, dice: &mut Dice) -> Option<(usize, u32)> {
    let cable = dice.below(world.cables.len());
    let free = world.free(cable);
    (!free.is_empty()).then(|| (cable, dice.pick(&free)))
}

/// Where a helper that starts from here on stands still.
pub(crate) fn stop_at(step: &str) {
    std::fs::write(FILE, step).unwrap();
}

/// A helper that stands still somewhere, and has been asked for a queue.
pub(crate) fn asked(
    lab: &Lab,
    helper: &Path,
    user: &User,
    ifname: &str,
    queue: u32,
) -> (Wire, Running) {
    let (wire, theirs): (Wire, OwnedFd) = pair(user);
    let running = lab.cmd(helper).user(user).stdin(theirs).start();
    wire.say(&Request::Hello(Hello::default()));
    wire.say(&Request::Acquire(acquire(ifname, queue, 1)));
    (wire, running)
}

/// A helper that stands still.
fn standing(lab: &Lab) -> Option<Process> {
    let stops = |p: &Process| {
        let path = std::fs::read_link(format!("/proc/{}/exe", p.pid)).unwrap_or_default();
        path.ends_with("failpoints/xsk-helper") && p.status("State").starts_with('T')
    };
    lab.helpers().into_iter().find(stops)
}

/// Whether the helper greets and answers. Where what was killed before is just going, it rolls back
/// and tries again, and stands still in that: a roll-back has the steps of an end.
fn answers(lab: &Lab, wire: &Wire, step: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    let mut replies = 0;
    while replies < 2 {
        if wire.readable(Duration::from_millis(2)) {
            drop(wire.reply());
            replies += 1;
        } else if standing(lab).is_some() {
            return false;
        }
        assert!(Instant::now() < end, "no answer before {step}");
    }
    true
}

/// Waits until the helper stands still.
pub(crate) fn stands(lab: &Lab, step: &str, running: &Running) -> Process {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = standing(lab) {
            return found;
        }
        assert!(Instant::now() < end, "no helper stands still at {step}: {:?}", running.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// While it stands still nobody else waits for longer than the bound.
fn meanwhile(world: &mut World, dice: &mut Dice, cable: usize, queue: u32, step: &str) {
    if !dice.one_in(if LOCKED.contains(&step) { 20 } else { 4 }) {
        return;
    }
    let begin = Instant::now();
    let answer = asks(world, dice, cable, 0, queue, 1);
    let waited = begin.elapsed();
    world.note(format!(
        "meanwhile somebody waits {waited:.0?}: {:?}",
        answer.as_ref().err().map(|r| r.code)
    ));
    assert!(
        waited < Duration::from_secs(6),
        "a helper that stands still at {step} holds others up"
    );
    assert!(
        answer.is_err() || !LOCKED.contains(&step),
        "granted under somebody else's lock at {step}"
    );
}
