// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to an interface, and what root does, while a user has a lease on it: the client is
//! told, dead leases end, and live ones are left alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::foreign::{NATIVE, SKB, Way};
use xsk_tests::lab::link::ip;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{Leased, acquire};
use xsk_tests::lab::{HELPER, Lab, SOCKET, SOON, Veth, Wire, afxdp, kernel, packet, wait_until};
use xsk_tests::proto::{Acquire, Code, EventKind, Param, Value, param};

/// What the client is told next.
/// A lease whose keeper watches the interface.
fn watched(lab: &Lab, veth: &Veth) -> (Wire, Leased) {
    let (wire, helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    Process::new(grant.granted.keeper).settled();
    helper.finish(SOON).ok();
    (wire, grant)
}

fn bound(grant: &mut Leased) -> xsk_socket::Bound {
    let queue = grant.granted.first_queue;
    afxdp::bind_within(grant.sockets.remove(0), grant.granted.ifindex, queue, SOON).unwrap()
}

/// A frame from the peer reaches the host's own stack.
fn passes(lab: &Lab, veth: &Veth, queue: u32) {
    lab.steer(veth, queue);
    let mut host = lab.host_tap(&veth.ifname);
    lab.peer_tap(veth).send(&packet::frame("to the host"));
    let seen = host.receive(SOON, |frame| packet::carries(frame, "to the host"));
    assert!(seen.is_some(), "queue {queue} does not reach the host");
}

fn receives(lab: &Lab, veth: &Veth, queue: u32, bound: &mut xsk_socket::Bound) {
    lab.steer(veth, queue);
    lab.peer_tap(veth).send(&packet::frame("to the socket"));
    assert!(afxdp::receives(bound, "to the socket", SOON), "queue {queue} receives nothing");
}

#[test]
fn a_rename_and_a_fall_are_told_and_end_nothing() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let mut socket = bound(&mut grant);
    ip(&["link", "set", "dev", &veth.ifname, "down"]);
    assert_eq!(wire.event(), EventKind::InterfaceDown);
    ip(&["link", "set", "dev", &veth.ifname, "up"]);
    assert_eq!(wire.event(), EventKind::InterfaceUp);
    ip(&["link", "set", "dev", &veth.ifname, "name", "other"]);
    assert_eq!(wire.event(), EventKind::InterfaceRenamed);
    let renamed = Veth { ifname: "other".into(), ..veth };
    receives(&lab, &renamed, 0, &mut socket);
    drop((wire, socket));
    lab.nothing_left("other", &[]);
}

/// What was lost is made up for by what is so now: told last, and all of it.
#[test]
fn a_keeper_that_missed_messages_asks_afresh() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    keeper.signal(Signal::SIGSTOP);
    // Far more than its buffer holds; in the end it is down and has another name.
    let flips = "link set dev eth1 down\nlink set dev eth1 up\n".repeat(500);
    let batch = format!("{flips}link set dev eth1 down\nlink set dev eth1 name other\n");
    std::fs::write(lab.path("batch"), batch).unwrap();
    lab.cmd("ip").arg("-batch").arg(lab.path("batch")).run(Duration::from_secs(60)).ok();
    keeper.signal(Signal::SIGCONT);
    let mut kinds = vec![wire.event()];
    while wire.readable(Duration::from_millis(500)) {
        kinds.push(wire.event());
    }
    assert_eq!(kinds, [EventKind::InterfaceRenamed, EventKind::InterfaceDown]);
    ip(&["link", "set", "dev", "other", "up"]);
    assert_eq!(wire.event(), EventKind::InterfaceUp);
    drop((wire, grant));
    lab.nothing_left("other", &[]);
}

/// With enough other names what the kernel says of an interface is longer than the keeper reads.
#[test]
fn a_message_that_is_too_long_is_not_missed() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, grant) = watched(&lab, &veth);
    for n in 0..70 {
        ip(&["link", "property", "add", "dev", &veth.ifname, "altname", &format!("{n:0>120}")]);
    }
    ip(&["link", "set", "dev", &veth.ifname, "down"]);
    assert_eq!(wire.event(), EventKind::InterfaceDown);
    ip(&["link", "del", "dev", &veth.ifname]);
    assert_eq!(wire.event(), EventKind::InterfaceGone);
    assert!(wire.ends(SOON));
    drop((wire, grant));
    lab.no_helpers_but(&[]);
}

/// A bridge tells of its ports in link messages of its own, which are not about the interface.
#[test]
fn a_port_that_joins_and_leaves_a_bridge_keeps_its_lease() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, mut grant) = watched(&lab, &veth);
    let mut socket = bound(&mut grant);
    ip(&["link", "add", "br0", "type", "bridge"]);
    ip(&["link", "set", "dev", &veth.ifname, "master", "br0"]);
    ip(&["link", "set", "dev", &veth.ifname, "nomaster"]);
    ip(&["link", "set", "dev", &veth.ifname, "down"]);
    assert_eq!(wire.event(), EventKind::InterfaceDown);
    ip(&["link", "set", "dev", &veth.ifname, "up"]);
    assert_eq!(wire.event(), EventKind::InterfaceUp);
    receives(&lab, &veth, 0, &mut socket);
    drop((wire, socket));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn an_interface_that_leaves_takes_no_program_along() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, grant) = watched(&lab, &veth);
    lab.move_to_peer(&veth.ifname);
    assert!(matches!(wire.event(), EventKind::InterfaceMoved | EventKind::InterfaceDown));
    assert!(wire.ends(SOON), "the lease goes on");
    lab.no_helpers_but(&[]);
    lab.in_peer(|| {
        assert_eq!(lab.xdp(&veth.ifname), None, "the program is still on the interface that left")
    });
    assert_eq!(lab.pins().len(), 0);
    drop(grant);
}

/// A keeper that is killed together with its interface leaves pins that no request will ask for.
#[test]
fn pins_of_an_interface_that_is_gone_go_with_the_next_program() {
    let lab = lab!();
    let (gone, other) = (lab.veth(1), lab.veth(1));
    lab.allow("*");
    let (wire, grant) = watched(&lab, &gone);
    Process::new(grant.granted.keeper).kill();
    lab.no_helpers_but(&[]);
    ip(&["link", "delete", "dev", &gone.ifname]);
    drop((wire, grant));
    let left = lab.pins();
    assert!(!left.is_empty(), "the killed keeper has left no pins");
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get(&other.ifname, 0, 1).unwrap();
    let now = lab.pins();
    assert!(left.iter().all(|pin| !now.contains(pin)), "{now:?} has some of {left:?}");
    drop((wire, grant));
    lab.nothing_left(&other.ifname, &[]);
}

#[test]
fn a_program_that_is_taken_off_is_told_and_a_foreign_one_cannot_come() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, grant) = watched(&lab, &veth);
    for flags in [NATIVE, SKB] {
        let refused = lab.try_stranger(&veth.ifname, flags);
        assert!(refused.is_err(), "a foreign program came beside ours");
    }
    let link = lab.pins().into_iter().find(|pin| pin.ends_with("link")).unwrap();
    lab.cmd("bpftool").args(["link", "detach", "pinned"]).arg(&link).run(SOON).ok();
    // The kernel has no event for that; it has one for what comes after it.
    let stranger = lab.stranger(&veth.ifname, Way::Netlink, NATIVE);
    assert_eq!(wire.event(), EventKind::ProgramReplaced);
    let foreign = lab.xdp(&veth.ifname).unwrap();
    drop((wire, grant));
    lab.no_helpers_but(&[]);
    assert_eq!(lab.xdp(&veth.ifname), Some(foreign), "a foreign program was touched");
    drop(stranger);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn fewer_queues_are_told() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 3, 1).unwrap();
    let (low, _other) = lab.exec(&lab.user);
    let mut kept = low.get(&veth.ifname, 0, 1).unwrap();
    let mut socket = bound(&mut kept);
    for grant in [&grant, &kept] {
        Process::new(grant.granted.keeper).settled();
    }
    // A veth does not receive on fewer queues than its peer sends on.
    lab.peer_cmd("ethtool").args(["-L", &veth.peer, "tx", "2"]).run(SOON).ok();
    lab.cmd("ethtool").args(["-L", &veth.ifname, "rx", "2", "tx", "2"]).run(SOON).ok();
    assert_eq!(wire.event(), EventKind::QueuesReduced);
    assert!(!low.readable(Duration::from_millis(300)), "the holder of another queue is told");
    lab.cmd("ethtool").args(["-L", &veth.ifname, "rx", "4", "tx", "4"]).run(SOON).ok();
    lab.peer_cmd("ethtool").args(["-L", &veth.peer, "tx", "4"]).run(SOON).ok();
    receives(&lab, &veth, 0, &mut socket);
    drop((wire, grant, low, kept, socket));
    lab.nothing_left(&veth.ifname, &[]);
}

/// A rule for the lab's user, whose programs linger for so long.
fn lingering(lab: &Lab, seconds: u32, more: &str) {
    let uid = lab.user.uid;
    lab.policy(&format!(
        "[[allow]]\nusers = [{uid}]\ninterfaces = [\"*\"]\nlinger_seconds = {seconds}\n{more}\n"
    ));
}

/// A lease that has ended; its program and its keeper.
fn ended(lab: &Lab, veth: &Veth) -> (u32, Process) {
    let wire = lab.wire();
    let granted = wire.get(&veth.ifname, 0, 1).unwrap().granted;
    drop(wire);
    (granted.program_id, Process::new(granted.keeper))
}

#[test]
fn a_program_lingers_as_long_as_the_rule_says() {
    let lab = lab!();
    let veth = lab.veth(1);
    lingering(&lab, 60, "");
    let listener = lab.listen();
    let (first, keeper) = ended(&lab, &veth);
    // Nobody has a lease, and `reap` leaves the program to the keeper.
    wait_until(SOON, "the lease to end", || Wire::connect(SOCKET).status().leases.is_empty());
    lab.cmd(HELPER).arg("reap").run(SOON).ok();
    assert!(lab.xdp(&veth.ifname).is_some(), "the program does not linger");
    lingering(&lab, 1, "");
    let (second, last) = ended(&lab, &veth);
    assert_eq!(second, first, "a lingering program is used again");
    // The one that lingers longer takes it off, or does so at once when it is told to.
    wait_until(SOON, "the other keeper to end", || !last.is_live());
    assert!(keeper.is_live() && lab.xdp(&veth.ifname).is_some());
    keeper.signal(Signal::SIGTERM);
    let begin = Instant::now();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let begin = Instant::now();
    ended(&lab, &veth);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

/// A lease that lingers has its user's place, and a queue of nobody's.
#[test]
fn a_place_is_free_when_the_program_has_lingered() {
    let lab = lab!();
    let veth = lab.veth(1);
    lingering(&lab, 1, "max_leases = 1");
    let listener = lab.listen();
    let (first, _) = ended(&lab, &veth);
    let begin = Instant::now();
    let (again, keeper) = ended(&lab, &veth);
    assert!(begin.elapsed() >= Duration::from_millis(500), "granted after {:?}", begin.elapsed());
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    lab::say_figure(&format!("the only place of a user after {:.1?}", begin.elapsed()));
    assert!(first != again || !keeper.is_live());
}

/// A card is not reset for each of a user's leases.
#[test]
fn h39_many_leases_attach_few_programs() {
    let lab = lab!();
    let veth = lab.veth(1);
    lingering(&lab, 1, "max_leases = 64");
    let listener = lab.listen();
    let begin = Instant::now();
    let (mut grants, mut programs) = (0, std::collections::BTreeSet::new());
    while begin.elapsed() < Duration::from_secs(3) {
        let wire = lab.wire();
        if let Ok(grant) = wire.get(&veth.ifname, 0, 1) {
            grants += 1;
            programs.insert(grant.granted.program_id);
        }
    }
    lab::say_figure(&format!("{grants} grants in 3 s attached {} programs", programs.len()));
    assert!(programs.len() <= 3, "{} programs for {grants} grants", programs.len());
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn a_revoke_by_interface_queue_or_user_is_told_and_stops_receiving() {
    let lab = lab!();
    let veth = lab.veth(2);
    let (uid, other) = (lab.user.uid, lab.share());
    let (user, ifname) = (uid.to_string(), veth.ifname.as_str());
    for choice in [
        &[ifname][..],
        &["--queue", "0"],
        &["--user", &user],
        &[ifname, "--queue", "0", "--user", &user],
    ] {
        let (wire, _helper) = lab.exec(&lab.user);
        let mut grant = wire.get(ifname, 0, 1).unwrap();
        let mut socket = bound(&mut grant);
        receives(&lab, &veth, 0, &mut socket);
        let (bystander, _second) = lab.exec(&other);
        let mut beside = bystander.get(ifname, 1, 1).unwrap();
        let mut second = bound(&mut beside);
        let by_interface = choice.len() == 1;
        lab.cmd(HELPER).arg("revoke").args(choice).run(SOON).ok();
        assert_eq!(wire.event(), EventKind::Revoked, "{choice:?}");
        assert!(wire.ends(SOON));
        passes(&lab, &veth, 0);
        if by_interface {
            assert_eq!(bystander.event(), EventKind::Revoked);
        } else {
            receives(&lab, &veth, 1, &mut second);
        }
        // The holder has not let go: the queue is nobody else's yet.
        let (next, _third) = lab.exec(&other);
        next.is_refused(ifname, 0, 1, Code::Busy);
        drop((wire, socket, bystander, second, next));
        lab.nothing_left(ifname, &[]);
    }
}

#[test]
fn promiscuous_mode_and_busy_polling_are_part_of_the_lease() {
    const SO_BUSY_POLL: i32 = 46;
    const SO_PREFER_BUSY_POLL: i32 = 69;
    let lab = lab!();
    let veth = lab.veth(1);
    let uid = lab.user.uid;
    lab.policy(&format!(
        "[[allow]]\nusers = [{uid}]\ninterfaces = [\"eth1\"]\npromisc = true\nbusy_poll = true\n"
    ));
    let params = vec![
        Param { name: param::PROMISC.into(), value: Value::Flag(true) },
        Param { name: param::BUSY_POLL.into(), value: Value::Number(50) },
        Param { name: param::BUSY_POLL_BUDGET.into(), value: Value::Number(16) },
    ];
    let promiscuity = || lab.link(&veth.ifname).unwrap()["promiscuity"].as_u64().unwrap();
    for kill in [false, true] {
        let (wire, _helper) = lab.exec(&lab.user);
        wire.greet();
        let grant =
            wire.ask(Acquire { params: params.clone(), ..acquire(&veth.ifname, 0, 1) }).unwrap();
        assert!(grant.granted.promisc);
        assert_eq!((grant.granted.busy_poll.usecs, grant.granted.busy_poll.budget), (50, 16));
        assert_eq!(promiscuity(), 1);
        let option = |name| kernel::socket_option(&grant.sockets[0], name).unwrap();
        assert_eq!([SO_PREFER_BUSY_POLL, SO_BUSY_POLL].map(option), [1, 50]);
        if kill {
            Process::new(grant.granted.keeper).kill();
            wait_until(SOON, "promiscuous mode to end with its keeper", || promiscuity() == 0);
        }
        drop((wire, grant));
        wait_until(SOON, "promiscuous mode to end", || promiscuity() == 0);
        lab.no_helpers_but(&[]);
        lab.cmd(HELPER).arg("reap").run(SOON).ok();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
