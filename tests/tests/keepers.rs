// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several keepers of one interface: each has the program's link open, and none keeps the program
//! there or takes away another one by that.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{Leased, acquire};
use xsk_tests::lab::{Lab, SOCKET, SOON, Veth, Wire, afxdp, packet, wait_until};
use xsk_tests::proto::Request;

/// A lease of one queue whose keeper has begun.
fn leased(lab: &Lab, veth: &Veth, queue: u32) -> (Wire, Leased) {
    let wire = Wire::connect_as(SOCKET, &lab.user);
    let grant = wire.get(&veth.ifname, queue, 1).unwrap();
    Process::new(grant.granted.keeper).settled();
    (wire, grant)
}

/// Ends a lease, and waits until its keeper is gone.
fn end((wire, grant): (Wire, Leased)) {
    let keeper = Process::new(grant.granted.keeper);
    drop((wire, grant));
    wait_until(SOON, "the keeper to end", || !keeper.is_live());
}

fn receives(lab: &Lab, veth: &Veth, grant: &mut Leased) {
    let queue = grant.granted.first_queue;
    let socket = grant.sockets.remove(0);
    let mut bound = afxdp::bind_within(socket, grant.granted.ifindex, queue, SOON).unwrap();
    lab.steer(veth, queue);
    lab.peer_tap(veth).send(&packet::frame("to the socket"));
    assert!(afxdp::receives(&mut bound, "to the socket", SOON), "queue {queue} receives nothing");
}

/// Root takes the program off, and the next request brings another one.
fn replace(lab: &Lab, veth: &Veth) -> (Wire, Leased) {
    let link = lab.pins().into_iter().find(|pin| pin.ends_with("link")).unwrap();
    lab.cmd("bpftool").args(["link", "detach", "pinned"]).arg(&link).run(SOON).ok();
    leased(lab, veth, 1)
}

#[test]
fn a_keeper_of_a_program_that_was_replaced_leaves_the_new_one_alone() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let old = leased(&lab, &veth, 0);
    let mut new = replace(&lab, &veth);
    assert_ne!(old.1.granted.program_id, new.1.granted.program_id);
    end(old);
    assert_eq!(lab.xdp(&veth.ifname).unwrap().id, u64::from(new.1.granted.program_id));
    receives(&lab, &veth, &mut new.1);
    drop(new);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn a_keeper_of_the_new_program_takes_it_off_beside_one_of_the_old() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let old = leased(&lab, &veth, 0);
    end(replace(&lab, &veth));
    lab.no_program(&veth.ifname);
    drop(old);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// A lease that is over, whose process stays since its client has not received the sockets.
fn parked(lab: &Lab, veth: &Veth, queue: u32) -> (Wire, Process) {
    let before: Vec<u32> = lab.helpers().iter().map(|helper| helper.pid).collect();
    let wire = Wire::connect_as(SOCKET, &lab.user);
    wire.greet();
    wire.say(&Request::Acquire(acquire(&veth.ifname, queue, 1)));
    assert!(wire.readable(SOON));
    let keeper = lab.keepers(&before)[0];
    keeper.settled();
    // More than the client of a lease may say.
    for _ in 0..12 {
        let _ = wire.send(b"?");
        std::thread::sleep(Duration::from_millis(1));
    }
    (wire, keeper)
}

#[test]
fn a_stopped_keeper_whose_lease_is_over_keeps_no_program() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let last = leased(&lab, &veth, 0);
    let (wire, stopped) = parked(&lab, &veth, 1);
    wait_until(SOON, "the lease to end", || leases(&lab) == 1);
    stopped.signal(Signal::SIGSTOP);
    drop(last);
    lab.nothing_left(&veth.ifname, &[listener.pid(), stopped.pid]);
    stopped.signal(Signal::SIGCONT);
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

fn leases(lab: &Lab) -> usize {
    Wire::connect_as(SOCKET, &lab.user).status().leases.len()
}
