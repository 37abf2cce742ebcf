// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of an interface between the grant and the moment at which the keeper begins to
//! watch it: the client is told as if it had been watched all along.

use nix::sys::signal::Signal;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Lab, SOON};
use xsk_tests::proto::{Code, EventKind};

use crate::failpoints::{asked, stands, stop_at};

const NAME: &str = "eth7";
/// Where the lab's own numbers do not come.
const INDEX: &str = "777";

type Deed = fn(&Lab);

/// The next one may have the name and the index of the one before.
fn make() {
    ip(&["link", "add", NAME, "index", INDEX, "type", "veth", "peer", "name", "other"]);
    ip(&["link", "set", NAME, "up"]);
}

fn goes_down(_: &Lab) {
    ip(&["link", "set", NAME, "down"]);
}

fn is_deleted(_: &Lab) {
    ip(&["link", "delete", NAME]);
}

fn loses_its_program(lab: &Lab) {
    is_deleted(lab);
    make();
}

fn moves(lab: &Lab) {
    lab.move_to_peer(NAME);
}

fn is_replaced(lab: &Lab) {
    moves(lab);
    ip(&["link", "set", "other", "name", "another"]);
    make();
}

const DEEDS: [(&str, Deed, EventKind); 5] = [
    ("goes down", goes_down, EventKind::InterfaceDown),
    ("is deleted", is_deleted, EventKind::InterfaceGone),
    ("is there without the program", loses_its_program, EventKind::ProgramReplaced),
    ("moves", moves, EventKind::InterfaceMoved),
    ("moves, and another is in its place", is_replaced, EventKind::InterfaceMoved),
];

#[test]
fn what_happens_before_the_keeper_watches_is_told() {
    for (what, deed, kind) in DEEDS {
        let lab = xsk_tests::lab!();
        let helper = match lab.install_stopping_helper() {
            Ok(helper) => helper,
            Err(why) => xsk_tests::skip!("{why}"),
        };
        make();
        lab.allow(NAME);
        stop_at("keeper");
        let (wire, running) = asked(&lab, &helper, &lab.user, NAME, 0);
        wire.reply();
        let (_granted, sockets) = wire.reply();
        assert_eq!(sockets.len(), 1, "no grant before the interface {what}");
        let keeper = stands(&lab, "keeper", &running);
        deed(&lab);
        keeper.signal(Signal::SIGCONT);
        assert_eq!(wire.event(), kind, "when the interface {what}");
        let over = matches!(kind, EventKind::InterfaceGone | EventKind::InterfaceMoved);
        assert!(!over || wire.ends(SOON), "the lease goes on when the interface {what}");
        drop((wire, sockets, running));
        lab.no_helpers_but(&[]);
    }
}

/// The kernel says of an attach to an interface that is gone that an argument is invalid.
#[test]
fn an_interface_that_goes_before_the_attach_is_said_to_be_gone() {
    let lab = xsk_tests::lab!();
    let helper = match lab.install_stopping_helper() {
        Ok(helper) => helper,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    for step in ["claimed", "loaded"] {
        make();
        lab.allow(NAME);
        stop_at(step);
        let (wire, running) = asked(&lab, &helper, &lab.user, NAME, 0);
        let stopped = stands(&lab, step, &running);
        stop_at("");
        is_deleted(&lab);
        stopped.signal(Signal::SIGCONT);
        wire.reply();
        let refused = wire.refusal();
        assert_eq!(
            (refused.code, refused.object.as_str()),
            (Code::NoSuchInterface, NAME),
            "{refused:?}"
        );
        assert!(refused.message.contains("removed"), "{refused:?}");
        drop(wire);
        running.finish(SOON).ok();
        lab.nothing_left(NAME, &[]);
    }
}
