// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this kernel can do, seen by doing it: the cells of the table in docs/kernels.md, which
//! `make vm` collects from what is said here and by the tests of the drivers and of locked memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::bare::Bare;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::netdev::{self, Knows};
use xsk_tests::lab::wire::{acquire, with_credentials};
use xsk_tests::lab::{SOON, afxdp, packet};
use xsk_tests::proto::{Acquire, Mode, Param, Value, param};

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[test]
fn a_grant_says_what_the_kernel_does_and_the_kernel_does_it() {
    let lab = lab!();
    let (veth, other) = (lab.veth(2), lab.veth(1));
    lab.allow("*");
    lab.steer(&veth, 1);
    let (wire, run) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 1, 1).unwrap();
    run.finish(SOON).ok();
    let (said, socket) = (grant.granted, grant.sockets.remove(0));
    // A bare bind that nothing refuses fails for want of rings, with EINVAL too: the interface is
    // tried with them.
    let copy = socket.try_clone().unwrap();
    let foreign = lab.ifindex(&other.ifname);
    let elsewhere = with_credentials(&lab.user, || afxdp::bind(copy, foreign, 0));
    assert_eq!(elsewhere.is_err(), said.confinement.device);
    let guarded = with_credentials(&lab.user, || afxdp::bind_errno(&socket, said.ifindex, 0, None));
    assert_eq!(guarded == nix::libc::EPERM, said.confinement.queue);
    drop((wire, socket, elsewhere));
    lab.nothing_left(&veth.ifname, &[]);

    let (wire, run) = lab.exec(&lab.user);
    let mut grant = wire.get(&veth.ifname, 1, 1).unwrap();
    run.finish(SOON).ok();
    let socket = grant.sockets.remove(0);
    let bound = with_credentials(&lab.user, || afxdp::bind_within(socket, said.ifindex, 1, SOON));
    let mut bound = bound.unwrap();
    lab.peer_tap(&veth).send(&packet::frame("native"));
    let received = afxdp::receives(&mut bound, "native", SOON);
    assert!(received, "nothing arrives in {} mode", said.mode);
    let knows = netdev::knows(said.ifindex, 1);
    drop((wire, bound));
    lab.nothing_left(&veth.ifname, &[]);

    lab::say_feature("native on veth", yes(said.mode == Mode::Native));
    lab::say_feature("device confinement", yes(said.confinement.device));
    lab::say_feature("bind guard", yes(said.confinement.queue));
    let netlink = match knows {
        Knows::Nothing => "no",
        Knows::Family => "without sockets",
        Knows::Socket => "yes",
    };
    lab::say_feature("netdev netlink", netlink);
}

#[test]
fn a_program_with_frags_goes_on_a_jumbo_mtu_where_the_kernel_has_them() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    lab.in_peer(|| ip(&["link", "set", "dev", &veth.peer, "mtu", "9000"]));
    ip(&["link", "set", "dev", &veth.ifname, "mtu", "9000"]);
    let (wire, _run) = lab.exec(&lab.user);
    wire.greet();
    let params = vec![Param { name: param::FRAGS.into(), value: Value::Flag(true) }];
    let asked = wire.ask(Acquire { params, ..acquire(&veth.ifname, 0, 1) });
    let frags = match &asked {
        Ok(grant) => grant.granted.frags && grant.granted.mode == Mode::Native,
        Err(refused) => {
            assert!(!refused.hint.is_empty(), "{refused:?}");
            false
        }
    };
    drop((asked, wire));
    lab.nothing_left(&veth.ifname, &[]);
    lab::say_feature("frags", yes(frags));
}

#[test]
fn what_the_benchmarks_compare_with_is_to_be_had() {
    let lab = lab!();
    let veth = lab.veth(1);
    let bare = Bare::new(lab.ifindex(&veth.ifname));
    // Once more, since the first one has given its slot back.
    for _ in 0..2 {
        drop(bare.grant());
    }
}
