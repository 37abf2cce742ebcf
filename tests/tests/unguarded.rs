// SPDX-License-Identifier: MIT OR Apache-2.0
//! Confinement on a kernel without the bind guard: what a grant states then, what holds, what does
//! not, and what is refused for it. `make vm` runs these on a kernel that was booted without the
//! BPF security module.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::libc::EPERM;
use xsk_tests::lab;
use xsk_tests::lab::wire::with_credentials;
use xsk_tests::lab::{Lab, SOON, afxdp};
use xsk_tests::proto::{Code, WarningKind};

fn rule(lab: &Lab, more: &str) {
    lab.policy(&format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n{more}\n", lab.user.uid));
}

/// Whether this kernel has the guard; then nothing here can be shown.
fn has_guard() -> bool {
    let list = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let has = list.trim().split(',').any(|name| name == "bpf");
    if has {
        lab::say_elsewhere("this kernel has the BPF security module");
    }
    has
}

#[test]
fn h23_without_the_guard_a_grant_states_the_interface_alone() {
    if has_guard() {
        return;
    }
    let lab = lab!();
    let (veth, other) = (lab.veth(2), lab.veth(1));
    rule(&lab, "");
    let listener = lab.listen();
    let wire = lab.wire();
    let mut grant = wire.get(&veth.ifname, 1, 1).unwrap();
    let said = &grant.granted;
    assert!(said.confinement.device && !said.confinement.queue, "{:?}", said.confinement);
    let warned =
        said.warnings.iter().find(|warning| warning.kind == WarningKind::NoQueueConfinement);
    assert!(warned.is_some_and(|warning| warning.text.contains("queue")), "{:?}", said.warnings);
    let (own, socket) = (said.ifindex, grant.sockets.remove(0));
    let foreign = lab.ifindex(&other.ifname);
    with_credentials(&lab.user, || {
        let copy = socket.try_clone().unwrap();
        assert!(afxdp::bind(copy, foreign, 0).is_err(), "another interface");
        assert_eq!(afxdp::pin_by_index(&socket, 0).unwrap_err().raw_os_error(), Some(EPERM));
    });
    // What is stated not to hold does not.
    drop(socket);
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    let wire = lab.wire();
    let socket = wire.get(&veth.ifname, 1, 1).unwrap().sockets.remove(0);
    let bound = with_credentials(&lab.user, || afxdp::bind_within(socket, own, 0, SOON));
    assert!(bound.is_ok(), "the grant could have stated more: {:?}", bound.err());
    drop((bound, wire));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h23_without_the_guard_a_rule_that_demands_it_grants_nothing() {
    if has_guard() {
        return;
    }
    let lab = lab!();
    let veth = lab.veth(2);
    for demand in ["queues = \"0\"", "confine = \"queue\""] {
        rule(&lab, demand);
        let (wire, _run) = lab.exec(&lab.user);
        let refused = wire.is_refused(&veth.ifname, 0, 1, Code::Confinement);
        assert!(refused.message.contains("queue"), "{refused:?}");
        assert!(refused.hint.contains("lsm=") && refused.hint.contains("confine"), "{refused:?}");
        drop(wire);
        lab.nothing_left(&veth.ifname, &[]);
    }
    // The way out that the hint names; and the rule's queues still count.
    rule(&lab, "queues = \"0\"\nconfine = \"device\"");
    let (wire, _run) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    assert!(!grant.granted.confinement.queue);
    drop((grant, wire));
    let (wire, _run) = lab.exec(&lab.user);
    wire.is_refused(&veth.ifname, 1, 1, Code::NotAllowed);
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h23_without_the_guard_doctor_says_so_and_how_to_boot() {
    if has_guard() {
        return;
    }
    let lab = lab!();
    let veth = lab.veth(1);
    rule(&lab, "");
    let said = lab.client("doctor").arg(&veth.ifname).run(SOON).stdout;
    let line =
        said.lines().find(|line| line.contains(" guard ")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.starts_with("note"), "{line}");
    assert!(
        said.contains("confined to the interface, not to their queues")
            || line.contains("cannot see")
    );
    lab.nothing_left(&veth.ifname, &[]);
}
