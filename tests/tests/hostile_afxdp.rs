// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be done with the sockets and to the interface, lines 23 to 28 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use xsk_socket::Error;
use xsk_tests::lab;
use xsk_tests::lab::foreign::{NATIVE, SKB, Way};
use xsk_tests::lab::link::ip;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{Leased, with_credentials};
use xsk_tests::lab::{Lab, SOCKET, SOON, Stopper, Wire, afxdp, packet};
use xsk_tests::proto::{Code, EventKind, Reply, Request};

/// A lease of this queue of an interface that the user may have, over a setuid run.
fn leased(lab: &Lab, ifname: &str, queue: u32) -> (Wire, Leased) {
    let (wire, run) = lab.exec(&lab.user);
    let grant = wire.get(ifname, queue, 1).unwrap_or_else(|e| panic!("{e:?}"));
    run.finish(SOON).ok();
    (wire, grant)
}

#[test]
fn h23_another_interface_and_the_pin() {
    let lab = lab!();
    let (one, two) = (lab.veth(1), lab.veth(1));
    lab.allow(&one.ifname);
    let (wire, mut grant) = leased(&lab, &one.ifname, 0);
    let (own, other) = (grant.granted.ifindex, lab.ifindex(&two.ifname));
    assert!(grant.granted.confinement.device);
    let socket = grant.sockets.remove(0);
    // With the user's own credentials: root could do more.
    with_credentials(&lab.user, || {
        let eperm = Some(nix::errno::Errno::EPERM as i32);
        for name in [two.ifname.as_str(), "", "lo"] {
            assert_eq!(
                afxdp::pin_by_name(&socket, name).unwrap_err().raw_os_error(),
                eperm,
                "{name:?}"
            );
        }
        for index in [other, 0, 1] {
            assert_eq!(
                afxdp::pin_by_index(&socket, index).unwrap_err().raw_os_error(),
                eperm,
                "{index}"
            );
        }
        let copy = socket.try_clone().unwrap();
        assert!(
            matches!(afxdp::bind(copy, other, 0), Err(Error::Invalid { .. })),
            "it binds to another interface"
        );
    });
    drop((wire, socket));
    lab.nothing_left(&one.ifname, &[]);
    // Nor after a failed attempt elsewhere is the granted one out of reach.
    let (wire, mut grant) = leased(&lab, &one.ifname, 0);
    let bound = with_credentials(&lab.user, || afxdp::bind(grant.sockets.remove(0), own, 0));
    drop((bound.unwrap(), wire));
    lab.nothing_left(&one.ifname, &[]);
}

#[test]
fn h24_a_second_user_is_told_busy_and_the_first_one_loses_nothing() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    let rule =
        format!("[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\n", lab.user.uid, other.uid);
    lab.policy(&rule);
    let listener = lab.listen();
    lab.steer(&veth, 0);
    let wire = lab.wire();
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let mut bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, 0).unwrap();
    let mut peer = lab.peer_tap(&veth);
    let (mut sent, mut received) = (0u32, 0u32);
    for round in 0..60 {
        if round == 40 {
            lab.policy(&format!("{rule}shared = true\n"));
        }
        // The policy does not share the interface, so no queue of it is for the other user; later
        // his own is.
        let second = Wire::connect_as(SOCKET, &other);
        second.greet();
        let queue = round % 2;
        second.say(&Request::Acquire(lab::wire::acquire(&veth.ifname, queue, 1)));
        while !second.readable(Duration::ZERO) {
            peer.send(&packet::frame(&format!("frame {sent}")));
            sent += 1;
            let _ = bound.wait(Some(Duration::from_millis(1))).unwrap();
            received +=
                bound.recv(64).iter().filter(|f| packet::carries(f, "frame")).count() as u32;
        }
        match second.reply().0 {
            Reply::Refused(refused) => assert_eq!(refused.code, Code::Busy, "{refused:?}"),
            Reply::Granted(_) => assert!(round >= 40 && queue == 1, "granted in round {round}"),
            other => panic!("{other:?}"),
        }
    }
    let end = Instant::now() + SOON;
    while received < sent && Instant::now() < end {
        let _ = bound.wait(Some(Duration::from_millis(10))).unwrap();
        received += bound.recv(64).iter().filter(|f| packet::carries(f, "frame")).count() as u32;
    }
    assert_eq!(received, sent, "frames were lost while others asked");
    lab::say_figure(&format!("{received} of {sent} frames arrived while 60 others asked"));
    drop((wire, bound));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h25_names_swapped_while_others_ask() {
    let lab = lab!();
    let (good, bad) = (lab.veth_named("good", 1, 1), lab.veth_named("bad", 2, 1));
    let (own, other) = (lab.ifindex(&good.ifname), lab.ifindex(&bad.ifname));
    lab.allow("good");
    let listener = lab.listen();
    let stop = AtomicBool::new(false);
    let rename = |from: &str, to: &str| ip(&["link", "set", "dev", from, "name", to]);
    for name in ["good", "bad"] {
        ip(&["link", "set", name, "down"]);
    }
    let (mut granted, mut asked) = (0, 0);
    std::thread::scope(|scope| {
        let _at_the_end = Stopper(&stop);
        // "good" is away half of the time; then the name belongs to the other interface, for a
        // moment.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                rename("good", "away");
                rename("bad", "good");
                rename("good", "bad");
                rename("away", "good");
            }
        });
        let end = Instant::now() + Duration::from_secs(75);
        while asked < 10_000 && Instant::now() < end {
            let wire = lab.wire();
            wire.greet();
            for _ in 0..14 {
                wire.say(&Request::Check(lab::wire::acquire("good", 0, 1)));
                assert!(matches!(wire.reply().0, Reply::Verdict(_) | Reply::Refused(_)));
            }
            asked += 15;
            match wire.ask(lab::wire::acquire("good", 0, 1)) {
                Ok(grant) => {
                    granted += 1;
                    let name = grant.granted.ifname.clone();
                    assert_eq!(name, "good", "granted by another name");
                    let pinned = grant.granted.ifindex;
                    assert!([own, other].contains(&pinned));
                    // The program is on the interface of the grant and on no other, whatever they
                    // are called now.
                    let programs = lab.programs();
                    assert_eq!(programs, [(pinned, u64::from(grant.granted.program_id))]);
                }
                Err(refused) => {
                    let expected =
                        [Code::NoSuchInterface, Code::BadName, Code::NotAllowed, Code::Busy];
                    assert!(expected.contains(&refused.code), "{refused:?}");
                }
            }
            drop(wire);
            lab.no_helpers_but(&[listener.pid()]);
        }
    });
    lab::say_figure(&format!(
        "{asked} requests, {granted} of them granted, while names were swapped"
    ));
    lab.nothing_left("good", &[listener.pid()]);
    lab.no_program("bad");
}

#[test]
fn h26_the_interface_is_deleted_and_made_again() {
    let lab = lab!();
    let veth = lab.veth_named("eth7", 7, 1);
    lab.allow("eth7");
    let (wire, grant) = leased(&lab, "eth7", 0);
    ip(&["link", "delete", "eth7"]);
    let again = lab.veth_named("eth7", 7, 1);
    wire.tells(EventKind::InterfaceGone);
    assert!(wire.ends(SOON));
    assert_eq!(lab.xdp("eth7"), None, "the new interface has the old one's program");
    drop((wire, grant));
    lab.nothing_left("eth7", &[]);
    let (wire, grant) = leased(&lab, &again.ifname, 0);
    drop((wire, grant, veth));
    lab.nothing_left("eth7", &[]);
}

#[test]
fn h26_the_interface_moves_to_another_namespace() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, grant) = leased(&lab, &veth.ifname, 0);
    lab.move_to_peer(&veth.ifname);
    wire.tells(EventKind::InterfaceMoved);
    assert!(wire.ends(SOON));
    drop((wire, grant));
    lab.no_helpers_but(&[]);
    lab.in_peer(|| lab.no_program(&veth.ifname));
    lab::wait_until(SOON, "the pins to go", || lab.pins().is_empty());
}

#[test]
fn h26_down_up_and_a_new_name_are_told() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, mut grant) = leased(&lab, &veth.ifname, 0);
    let mut bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, 0).unwrap();
    ip(&["link", "set", &veth.ifname, "down"]);
    wire.tells(EventKind::InterfaceDown);
    ip(&["link", "set", &veth.ifname, "name", "renamed"]);
    wire.tells(EventKind::InterfaceRenamed);
    ip(&["link", "set", "renamed", "up"]);
    wire.tells(EventKind::InterfaceUp);
    // What lives is left alone.
    lab.peer_tap(&veth).send(&packet::frame("still here"));
    assert!(afxdp::receives(&mut bound, "still here", SOON));
    drop((wire, bound));
    lab.nothing_left("renamed", &[]);
}

#[test]
fn h26_fewer_queues_than_there_were() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    let (wire, grant) = leased(&lab, &veth.ifname, 3);
    // A veth keeps as many receive queues as its peer has queues to send.
    lab.peer_cmd("ethtool").args(["-L", &veth.peer, "rx", "2", "tx", "2"]).run(SOON).ok();
    lab.cmd("ethtool").args(["-L", &veth.ifname, "rx", "2", "tx", "2"]).run(SOON).ok();
    let (low, low_grant) = leased(&lab, &veth.ifname, 0);
    let (refused, _run) = lab.exec(&lab.user);
    refused.is_refused(&veth.ifname, 2, 1, Code::QueueRange);
    drop((wire, grant, low, low_grant, refused));
    lab.nothing_left(&veth.ifname, &[]);
    // And back again: the map is as large as the interface can ever be.
    lab.cmd("ethtool").args(["-L", &veth.ifname, "rx", "4", "tx", "4"]).run(SOON).ok();
    let (wire, grant) = leased(&lab, &veth.ifname, 3);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h27_a_foreign_program_is_named_and_left_alone() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow("*");
    for way in [Way::Link, Way::Netlink] {
        for flags in [NATIVE, SKB] {
            let stranger = lab.stranger(&veth.ifname, way, flags);
            let before = lab.xdp(&veth.ifname).unwrap();
            let (wire, _run) = lab.exec(&lab.user);
            let refused = wire.is_refused(&veth.ifname, 0, 1, Code::ForeignProgram);
            assert!(
                refused.message.contains(&before.id.to_string()),
                "its id is not named: {refused:?}"
            );
            assert!(!refused.hint.is_empty(), "{refused:?}");
            assert_eq!(lab.xdp(&veth.ifname).as_ref(), Some(&before), "{way:?}");
            drop((wire, stranger));
            lab.nothing_left(&veth.ifname, &[]);
        }
    }
    let (wire, grant) = leased(&lab, &veth.ifname, 0);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h27_a_foreign_program_that_comes_during_a_lease_is_refused_by_the_kernel() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, grant) = leased(&lab, &veth.ifname, 0);
    let before = lab.xdp(&veth.ifname);
    let off = lab.cmd("ip").args(["link", "set", "dev", &veth.ifname, "xdp", "off"]).run(SOON);
    assert!(!off.status.success());
    assert_eq!(lab.xdp(&veth.ifname), before);
    assert!(Process::new(grant.granted.keeper).is_live());
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}
