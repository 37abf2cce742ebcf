// SPDX-License-Identifier: MIT OR Apache-2.0
//! A grant over the wire: what comes with it, what the host keeps, which process keeps it, and how
//! it ends.

use std::time::Duration;

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::wire::acquire;
use xsk_tests::lab::{Lab, SOON, Veth, afxdp, packet};
use xsk_tests::proto::{Code, Mode, ModeRequest};

/// One frame from the peer has to arrive at the granted socket.
fn proves_receive(lab: &Lab, veth: &Veth, bound: &mut xsk_socket::Bound, queue: u32) {
    lab.steer(veth, queue);
    lab.peer_tap(veth).send(&packet::frame("to the socket"));
    assert!(afxdp::receives(bound, "to the socket", SOON), "queue {queue} received nothing");
}

/// One frame from the peer has to arrive at the host's own stack.
fn proves_pass(lab: &Lab, veth: &Veth, queue: u32) {
    lab.steer(veth, queue);
    let mut host = lab.host_tap(&veth.ifname);
    lab.peer_tap(veth).send(&packet::frame("to the host"));
    let seen = host.receive(SOON, |f| packet::carries(f, "to the host"));
    assert!(seen.is_some(), "queue {queue} does not reach the host");
}

/// Netdev netlink tells nothing of an interface that is down.
#[test]
fn a_socket_without_a_lease_is_noticed_while_the_interface_is_down() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let bound =
        afxdp::bind_within(grant.sockets.remove(0), grant.granted.ifindex, 0, SOON).unwrap();
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
    lab::link::ip(&["link", "set", &veth.ifname, "down"]);
    let (wire, _second) = lab.exec(&lab.user);
    wire.is_refused(&veth.ifname, 0, 1, Code::Busy);
    drop((bound, wire));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_setuid_run_grants_a_socket_that_carries_frames_and_leaves_nothing() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, helper) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let granted = &grant.granted;
    let link = lab.link(&veth.ifname).unwrap();
    let mac: Vec<String> = granted.mac.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(mac.join(":"), link["address"].as_str().unwrap());
    assert_eq!((granted.ifname.as_str(), granted.ifindex), ("eth1", lab.ifindex("eth1")));
    assert_eq!((granted.mtu, granted.first_queue, granted.queues), (1500, 0, 1));
    assert_eq!((granted.mode, granted.frags, granted.promisc), (Mode::Native, false, false));
    assert!(granted.confinement.device);
    assert_ne!(granted.netns_cookie, 0);
    assert!(granted.rule.contains("policy.toml"), "{}", granted.rule);
    let xdp = lab.xdp(&veth.ifname).expect("no program on the interface");
    assert_eq!((xdp.id, xdp.mode.as_str()), (u64::from(granted.program_id), "xdp"));

    let mut bound = afxdp::bind(grant.sockets.remove(0), granted.ifindex, 0).unwrap();
    proves_receive(&lab, &veth, &mut bound, 0);
    let mut peer = lab.peer_tap(&veth);
    afxdp::sends(&mut bound, "from the socket");
    assert!(peer.receive(SOON, |f| packet::carries(f, "from the socket")).is_some());

    drop(bound);
    drop(wire);
    helper.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_keeper_has_no_capability_is_no_child_and_in_no_session_of_the_user() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    // What the user started has ended, and the keeper is another process.
    helper.finish(SOON).ok();
    let keepers = lab.keepers(&[]);
    assert_eq!(keepers.iter().map(|p| p.pid).collect::<Vec<_>>(), [grant.granted.keeper]);
    let keeper = keepers[0].settled();
    assert_eq!(keeper.caps(), Caps::NONE);
    assert_eq!(keeper.status("NoNewPrivs"), "1");
    assert!(
        keeper.uids().iter().all(|uid| *uid != 0 && *uid != lab.user.uid),
        "{:?}",
        keeper.uids()
    );
    assert_ne!(keeper.parent(), std::process::id());
    assert_eq!(keeper.session(), keeper.pid);
    let streams: Vec<_> = keeper.fds().into_iter().filter(|(fd, _)| (1..=2).contains(fd)).collect();
    assert!(streams.iter().all(|(_, what)| what == "/dev/null"), "{streams:?}");
    assert_eq!(
        std::fs::read_link(format!("/proc/{}/cwd", keeper.pid)).unwrap().to_str(),
        Some("/")
    );
    let held = keeper.fds();
    assert!(
        !held.iter().any(|(_, what)| what.contains("XDP")),
        "the keeper holds a socket of the lease: {held:?}"
    );
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_queue_outside_of_the_grant_still_reaches_the_host() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 1, 1).unwrap();
    let mut bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, 1).unwrap();
    for queue in [0, 2, 3] {
        proves_pass(&lab, &veth, queue);
    }
    proves_receive(&lab, &veth, &mut bound, 1);
    drop((wire, bound));
    lab.nothing_left(&veth.ifname, &[]);
    (0..4).for_each(|queue| proves_pass(&lab, &veth, queue));
}

#[test]
fn the_sockets_come_in_queue_order() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 1, 3).unwrap();
    let ifindex = grant.granted.ifindex;
    let sockets = grant.sockets.into_iter().zip(1..);
    let mut bound: Vec<_> =
        sockets.map(|(s, q)| (q, afxdp::bind(s, ifindex, q).unwrap())).collect();
    for (queue, socket) in &mut bound {
        proves_receive(&lab, &veth, socket, *queue);
    }
    drop((wire, bound));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn several_leases_of_two_users_share_the_program_and_the_last_one_takes_it_along() {
    let lab = lab!();
    let veth = lab.veth(4);
    let other = lab.share();
    let listener = lab.listen();
    let mut leases = Vec::new();
    for (queue, user) in [(0, &lab.user), (1, &lab.user), (2, &other), (3, &other)] {
        let wire = lab::Wire::connect_as(lab::SOCKET, user);
        let mut grant = wire.get(&veth.ifname, queue, 1).unwrap();
        let bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, queue).unwrap();
        leases.push((queue, wire, bound, grant.granted.program_id));
    }
    assert!(leases.iter().all(|lease| lease.3 == leases[0].3), "every lease shares one program");
    for (queue, _, bound, _) in &mut leases {
        proves_receive(&lab, &veth, bound, *queue);
    }
    while let Some((queue, wire, bound, program)) = leases.pop() {
        assert_eq!(lab.xdp(&veth.ifname).unwrap().id, u64::from(program));
        drop((wire, bound));
        lab::wait_until(SOON, "the keeper to end", || {
            lab.keepers(&[listener.pid()]).len() == leases.len()
        });
        proves_pass(&lab, &veth, queue);
        for (queue, _, bound, _) in &mut leases {
            proves_receive(&lab, &veth, bound, *queue);
        }
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    drop(listener);
}

#[test]
fn leases_on_two_interfaces_do_not_touch_each_other() {
    let lab = lab!();
    let (one, two) = (lab.veth(1), lab.veth(1));
    lab.allow("eth*");
    let (first, _h1) = lab.exec(&lab.user);
    let (second, _h2) = lab.exec(&lab.user);
    let (a, b) = (first.get(&one.ifname, 0, 1).unwrap(), second.get(&two.ifname, 0, 1).unwrap());
    assert_ne!(a.granted.lease, b.granted.lease);
    drop((first, a));
    lab.no_program(&one.ifname);
    assert_eq!(lab.xdp(&two.ifname).unwrap().id, u64::from(b.granted.program_id));
    drop((second, b));
    lab.nothing_left(&two.ifname, &[]);
}

#[test]
fn the_same_queue_can_be_leased_again_and_again() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    for round in 0..10 {
        let wire = lab.wire();
        let mut grant =
            wire.get(&veth.ifname, 0, 1).unwrap_or_else(|e| panic!("round {round}: {e:?}"));
        let bound = afxdp::bind_within(
            grant.sockets.remove(0),
            grant.granted.ifindex,
            0,
            Duration::from_secs(1),
        );
        drop((bound.unwrap(), wire));
        lab.no_helpers_but(&[listener.pid()]);
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn the_mode_is_the_one_asked_for_or_the_one_that_works() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    for (asked, mode, shown) in
        [(ModeRequest::Native, Mode::Native, "xdp"), (ModeRequest::Skb, Mode::Skb, "xdpgeneric")]
    {
        let (wire, _helper) = lab.exec(&lab.user);
        wire.greet();
        let grant = wire
            .ask(xsk_tests::proto::Acquire { mode: asked, ..acquire(&veth.ifname, 0, 1) })
            .unwrap();
        assert_eq!(grant.granted.mode, mode);
        assert_eq!(lab.xdp(&veth.ifname).unwrap().mode, shown);
        drop((wire, grant));
        lab.nothing_left(&veth.ifname, &[]);
    }
    lab::link::ip(&[
        "link",
        "add",
        "link",
        &veth.ifname,
        "name",
        "mv1",
        "type",
        "macvlan",
        "mode",
        "bridge",
    ]);
    lab::link::ip(&["link", "set", "mv1", "up"]);
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get("mv1", 0, 1).unwrap();
    assert_eq!(grant.granted.mode, Mode::Skb);
    assert!(!grant.granted.mode_reason.is_empty(), "a fallback has a reason");
    drop((wire, grant));
    lab.nothing_left("mv1", &[]);
}

#[test]
fn a_listener_that_is_the_service_user_serves_too() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen_as_service();
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    assert_eq!(Caps { bounding: 0, ..keeper.caps() }, Caps::NONE);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn the_listener_goes_and_the_lease_stays() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let wire = lab.wire();
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let mut bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, 0).unwrap();
    listener.kill();
    proves_receive(&lab, &veth, &mut bound, 0);
    drop((wire, bound));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn sigterm_to_a_keeper_ends_its_lease() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, _helper) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    Process::new(grant.granted.keeper).signal(Signal::SIGTERM);
    assert!(wire.ends(SOON), "the client was not told");
    // The user still has the socket, so the queue is not free until they close it.
    drop(grant);
    drop(wire);
    let (wire, _helper) = lab.exec(&lab.user);
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_queue_is_busy_while_its_socket_or_its_lease_is_held() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    lab.wire().is_refused(&veth.ifname, 0, 1, Code::Busy);
    // The socket goes, the lease stays.
    drop(grant);
    let refused = lab.wire().is_refused(&veth.ifname, 0, 2, Code::Busy);
    assert!(refused.object.contains(&veth.ifname), "{refused:?}");
    // The half of that request that was free has to be free still.
    let second = lab.wire();
    let free = second.get(&veth.ifname, 1, 1).unwrap();
    drop((second, free, wire));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn a_queue_is_busy_while_a_socket_is_bound_to_it() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let wire = lab.wire();
    let mut grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let bound = afxdp::bind(grant.sockets.remove(0), grant.granted.ifindex, 0).unwrap();
    // The lease goes, the bound socket stays.
    drop(wire);
    lab.no_helpers_but(&[listener.pid()]);
    lab.wire().is_refused(&veth.ifname, 0, 1, Code::Busy);
    drop(bound);
    let wire = lab.wire();
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
