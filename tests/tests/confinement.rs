// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a socket can be bound to, line 23 of the list: the part that needs the bind guard, and so a
//! kernel with the BPF security module that lets it be loaded. If there is none, `make vm` runs
//! these.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;

use nix::libc::{EINVAL, EPERM};
use nix::sys::signal::Signal;
use xsk_socket::Unbound;
use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{Leased, with_credentials};
use xsk_tests::lab::{Lab, Running, SOON, Wire, afxdp, packet};
use xsk_tests::proto::Code;

/// Both ways in: the setuid helper, and the one that listens.
#[derive(Debug, Clone, Copy)]
enum Way {
    Setuid,
    Listen,
}

/// A lease with its one socket apart.
struct Lease {
    wire: Wire,
    grant: Leased,
    socket: OwnedFd,
}

fn lease(lab: &Lab, way: Way, ifname: &str, queue: u32) -> Lease {
    let (wire, _run) = match way {
        Way::Setuid => {
            let (wire, run) = lab.exec(&lab.user);
            (wire, Some(run))
        }
        Way::Listen => (lab.wire(), None::<Running>),
    };
    let mut grant = wire.get(ifname, queue, 1).unwrap_or_else(|refused| panic!("{refused:?}"));
    let socket = grant.sockets.remove(0);
    Lease { wire, grant, socket }
}

/// What a bind answers to an unbound socket of a lease that is over. Where a keeper may not change
/// maps, before Linux 5.19, it is over with the next lease of the queue only, and the grant says
/// so; what is missing then are rings.
fn errno_when_over(grant: &Leased) -> i32 {
    let kept =
        |text: &str| text.starts_with("before Linux 5.19 the end of a lease takes no socket back");
    if grant.granted.warnings.iter().any(|warning| kept(&warning.text)) { EINVAL } else { EPERM }
}

/// The errno of a bind as the lab's user, who has no capability.
fn errno(lab: &Lab, socket: &OwnedFd, ifindex: u32, queue: u32) -> i32 {
    with_credentials(&lab.user, || afxdp::bind_errno(socket, ifindex, queue, None))
}

fn binds(lab: &Lab, socket: OwnedFd, ifindex: u32, queue: u32) -> bool {
    with_credentials(&lab.user, || afxdp::bind_within(socket, ifindex, queue, SOON)).is_ok()
}

/// A lab with a cable of two queues, and whether a guard is in force; says so where none is.
fn guarded() -> Option<(Lab, lab::Veth)> {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => {
            lab::say_skipped(&why);
            return None;
        }
    };
    let veth = lab.veth(2);
    lab.allow("*");
    let probe = lease(&lab, Way::Setuid, &veth.ifname, 0);
    if !probe.grant.granted.confinement.queue {
        lab::say_elsewhere("no bind guard can be loaded into this kernel");
        return None;
    }
    drop(probe);
    lab.nothing_left(&veth.ifname, &[]);
    Some((lab, veth))
}

#[test]
fn h23_a_guarded_socket_binds_to_its_queue_and_to_nothing_else() {
    let Some((lab, veth)) = guarded() else { return };
    let other = lab.veth(2);
    let listener = lab.listen();
    for way in [Way::Setuid, Way::Listen] {
        let Lease { wire, grant, socket } = lease(&lab, way, &veth.ifname, 1);
        let own = grant.granted.ifindex;
        assert!(grant.granted.confinement.device && grant.granted.confinement.queue, "{way:?}");
        assert_eq!(
            errno(&lab, &socket, lab.ifindex(&other.ifname), 1),
            EINVAL,
            "{way:?}: another interface"
        );
        for queue in [0, 2, u32::MAX] {
            assert_eq!(errno(&lab, &socket, own, queue), EPERM, "{way:?}: queue {queue}");
        }
        with_credentials(&lab.user, || {
            assert_eq!(afxdp::pin_by_name(&socket, "").unwrap_err().raw_os_error(), Some(EPERM));
            assert_eq!(afxdp::pin_by_index(&socket, 0).unwrap_err().raw_os_error(), Some(EPERM));
        });
        // The granted queue, after all that, and with frames.
        lab.steer(&veth, 1);
        let mut bound =
            with_credentials(&lab.user, || afxdp::bind_within(socket, own, 1, SOON)).unwrap();
        lab.peer_tap(&veth).send(&packet::frame("for queue 1"));
        assert!(afxdp::receives(&mut bound, "for queue 1", SOON), "{way:?}");
        drop((bound, wire));
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
}

#[test]
fn h23_a_shared_umem_does_not_get_round_the_guard() {
    let Some((lab, veth)) = guarded() else { return };
    let (wire, _run) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 0, 2).unwrap();
    let (own, second, first) =
        (grant.granted.ifindex, grant.sockets.remove(1), grant.sockets.remove(0));
    let umem = first.try_clone().unwrap();
    let bound = with_credentials(&lab.user, || afxdp::bind_within(first, own, 0, SOON)).unwrap();
    let shared =
        |queue| with_credentials(&lab.user, || afxdp::bind_errno(&second, own, queue, Some(&umem)));
    assert_eq!(shared(0), EPERM, "it shares the queue of the other socket");
    assert_ne!(shared(1), EPERM, "its own queue is refused");
    drop((bound, umem, wire));
    drop(second);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h23_an_unbound_socket_binds_nowhere_once_its_lease_is_over() {
    let Some((lab, veth)) = guarded() else { return };
    let listener = lab.listen();
    for way in [Way::Setuid, Way::Listen] {
        let Lease { wire, grant, socket } = lease(&lab, way, &veth.ifname, 0);
        let own = grant.granted.ifindex;
        drop(wire);
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
        assert_eq!(errno(&lab, &socket, own, 0), errno_when_over(&grant), "{way:?}");
        // Nor when another user has leased the queue again; and that user binds.
        let again = lease(&lab, way, &veth.ifname, 0);
        assert_eq!(errno(&lab, &socket, own, 0), EPERM, "{way:?}: with a lease of later");
        assert!(binds(&lab, again.socket, own, 0), "{way:?}");
        drop(again.wire);
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
}

#[test]
fn h23_another_device_that_gets_the_ifindex_is_out_of_reach() {
    let Some((lab, veth)) = guarded() else { return };
    let Lease { wire, grant, socket } = lease(&lab, Way::Setuid, &veth.ifname, 0);
    let index = grant.granted.ifindex;
    ip(&["link", "delete", &veth.ifname]);
    assert!(wire.ends(SOON));
    lab.no_helpers_but(&[]);
    ip(&[
        "link",
        "add",
        "heir",
        "index",
        &index.to_string(),
        "type",
        "veth",
        "peer",
        "name",
        "heir-peer",
    ]);
    ip(&["link", "set", "heir", "up"]);
    assert_eq!(lab.ifindex("heir"), index);
    assert_eq!(errno(&lab, &socket, index, 0), errno_when_over(&grant));
    // The heir is leased like any other, and the old socket still has no part in it.
    let heir = lease(&lab, Way::Setuid, "heir", 0);
    assert_eq!(errno(&lab, &socket, index, 0), EPERM);
    assert!(binds(&lab, heir.socket, index, 0));
    drop(heir.wire);
    lab.nothing_left("heir", &[]);
}

#[test]
fn h23_what_a_killed_keeper_left_is_over_with_the_next_lease_or_with_reap() {
    let Some((lab, veth)) = guarded() else { return };
    let kill = |lease: &Lease| {
        let keeper = Process::new(lease.grant.granted.keeper).settled();
        keeper.kill();
        lab.no_helpers_but(&[]);
    };
    let old = lease(&lab, Way::Setuid, &veth.ifname, 0);
    kill(&old);
    let reaped = lab.cmd("xsk-helper").arg("reap").run(SOON);
    assert!(reaped.status.success(), "{reaped:?}");
    assert_eq!(errno(&lab, &old.socket, old.grant.granted.ifindex, 0), EPERM, "after reap");
    // The old socket still has its slot, so the next lease is of the other queue; then of this one.
    let other = lease(&lab, Way::Setuid, &veth.ifname, 1);
    kill(&other);
    let own = other.grant.granted.ifindex;
    drop((old, other.wire));
    let copy = other.socket.try_clone().unwrap();
    drop((copy, other.socket));
    let next = lease(&lab, Way::Setuid, &veth.ifname, 1);
    assert!(binds(&lab, next.socket, own, 1));
    drop(next.wire);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h23_sockets_that_are_nobodys_lease_are_left_alone() {
    let Some((lab, veth)) = guarded() else { return };
    let kept = lease(&lab, Way::Setuid, &veth.ifname, 0);
    let other = lab.veth(1);
    let socket = Unbound::create().unwrap().into_fd();
    let mut bound = afxdp::bind_within(socket, lab.ifindex(&other.ifname), 0, SOON).unwrap();
    afxdp::sends(&mut bound, "not guarded");
    // Nor are other families.
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    drop((bound, kept));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h23_a_rule_with_queues_is_granted_only_with_the_guard() {
    let lab = lab!();
    let veth = lab.veth(2);
    let rule = format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid);
    lab.policy(&format!("{rule}queues = \"0\"\n"));
    let (wire, run) = lab.exec(&lab.user);
    match wire.get(&veth.ifname, 0, 1) {
        Ok(grant) => {
            assert!(grant.granted.confinement.queue, "granted without what the rule demands");
            drop((wire, run));
        }
        Err(refused) => {
            assert!(std::env::var_os("XSK_VM").is_none(), "{refused:?}");
            assert_eq!(refused.code, Code::Confinement, "{refused:?}");
            assert!(refused.hint.contains("lsm="), "{refused:?}");
            drop((wire, run));
            // The way out that the hint names.
            lab.policy(&format!("{rule}queues = \"0\"\nconfine = \"device\"\n"));
            let (wire, _run) = lab.exec(&lab.user);
            let grant = wire.get(&veth.ifname, 0, 1).unwrap();
            assert!(!grant.granted.confinement.queue);
        }
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h23_the_guard_outlives_every_helper_and_is_loaded_once() {
    let Some((lab, veth)) = guarded() else { return };
    let link = || std::fs::symlink_metadata("/run/xsk-helper/bpf/guard-1/link").unwrap();
    let before = std::os::unix::fs::MetadataExt::ino(&link());
    let listener = lab.listen();
    for way in [Way::Setuid, Way::Listen] {
        drop(lease(&lab, way, &veth.ifname, 0));
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
    listener.signal(Signal::SIGTERM);
    lab.no_helpers_but(&[]);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&link()), before, "it was loaded again");
}
