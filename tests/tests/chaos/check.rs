// SPDX-License-Identifier: MIT OR Apache-2.0
//! The promises, checked against the kernel.

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{HELPER, SOCKET, SOON, Wire, kernel};

use crate::actor::bind;
use crate::deeds::asks;
use crate::dice::Dice;
use crate::world::{World, within_a_second};

/// No lease is shown that does not exist, and every one that exists is.
pub(crate) fn status_is_true(world: &World) {
    let shown = Wire::connect(SOCKET).status().leases;
    for lease in &shown {
        let holds = || kernel::record_locks().iter().any(|(pid, _)| *pid == lease.keeper);
        // It may have ended since; then its process is gone soon.
        within_a_second(&format!("a lease that is shown to have a lock: {lease:?}"), || {
            holds() || !Process::new(lease.keeper).is_live()
        });
    }
    for actor in world.actors.iter().filter(|actor| actor.leased()) {
        let found = shown.iter().any(|lease| {
            lease.keeper == actor.keeper.pid && lease.queues as usize == actor.queues.len()
        });
        assert!(
            found || !actor.leased(),
            "a lease is not shown: {:?} of keeper {}",
            actor.queues,
            actor.keeper.pid
        );
    }
}

/// All processes are gone, and so is everything that was theirs.
pub(crate) fn nothing_is_stranded(world: &mut World, dice: &mut Dice) {
    no_helper_but_the_listener(world);
    let left: Vec<usize> = (0..world.cables.len()).filter(|n| world.cables[*n].residue).collect();
    if !left.is_empty() && dice.one_in(2) {
        world.note("reap");
        let said = world.lab.cmd(HELPER).arg("reap").run(SOON).ok().stdout;
        world.note(said);
        left.iter().for_each(|cable| world.cables[*cable].residue = false);
    }
    for cable in 0..world.cables.len() {
        if !world.cables[cable].residue {
            no_program(world, cable);
        }
        if world.cables[cable].used {
            the_next_request_succeeds(world, cable, dice);
        }
    }
    no_helper_but_the_listener(world);
    nothing_in_the_kernel(world);
    assert!(
        Wire::connect(SOCKET).status().leases.is_empty(),
        "a lease is shown and nobody is there"
    );
}

fn no_helper_but_the_listener(world: &World) {
    let listener = world.listener();
    within_a_second("every helper to end", || {
        world.lab.helpers().iter().all(|p| p.pid == listener)
    });
}

fn no_program(world: &World, cable: usize) {
    let name = world.name(cable);
    within_a_second(&format!("the program to leave {name}"), || world.lab.xdp(&name).is_none());
}

/// All queues at once, for anybody, at the first attempt; and then they are free again.
fn the_next_request_succeeds(world: &mut World, cable: usize, dice: &mut Dice) {
    let (queues, user) = (world.cables[cable].veth.queues, dice.below(3));
    world.note(format!("all {queues} queues of {} for user {user}", world.name(cable)));
    let (wire, grant) = asks(world, dice, cable, user, 0, queues).unwrap_or_else(|refused| {
        panic!("nobody uses {}, and the next request is refused: {refused:?}", world.name(cable))
    });
    let all: Vec<u32> = (0..queues).collect();
    let bound = bind(grant.granted.ifindex, &all, grant.sockets);
    world.programs.push(grant.granted.program_id);
    drop((wire, bound));
    no_program(world, cable);
    (world.cables[cable].used, world.cables[cable].residue) = (false, false);
}

/// No pin, no program, no lock, no promiscuous mode.
fn nothing_in_the_kernel(world: &mut World) {
    within_a_second("the pins to go", || world.lab.pins().is_empty());
    let programs = std::mem::take(&mut world.programs);
    within_a_second("the programs to go", || {
        !programs.iter().any(|id| kernel::program_exists(*id))
    });
    let listener = world.listener();
    let ours = |(pid, _): &(u32, u64)| *pid == listener;
    assert!(!kernel::record_locks().iter().any(ours), "the listener holds a lock");
    for cable in &world.cables {
        let link = world.lab.link(&cable.veth.ifname).unwrap();
        assert_eq!(
            link["promiscuity"].as_u64(),
            Some(0),
            "{} stays promiscuous",
            cable.veth.ifname
        );
    }
}
