// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate before a service manager: the helper as its unit starts it, with a listening socket as
//! standard input. What systemd makes of it is tested in a VM (tests/scripts/package-vm.sh).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::User as Account;
use xsk_tests::lab;
use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::{INSTALLED, Lab, Running, SERVICE, SOCKET, SOON, User, Wire, wire};
use xsk_tests::proto::Code;
use xsk_tests::skip;

/// Where the manager accepts what the gate passes on.
const INSTANCES: &str = "/run/xsk-helper/instances";
/// How long nothing comes where nothing is to come.
const SHORTLY: Duration = Duration::from_millis(300);

/// Starts the gate as the service user, with no capability.
fn gate(lab: &Lab) -> Running {
    let account = Account::from_name(SERVICE).unwrap().unwrap();
    let cmd = lab.cmd(INSTALLED).ids(account.uid.as_raw(), account.gid.as_raw(), &[]);
    cmd.stdin(wire::listen(SOCKET)).start()
}

/// What a process would have that the manager starts: its client's connection, and the link to the
/// gate.
struct PassedOn {
    uid: u32,
    _client: OwnedFd,
    _link: Wire,
}

fn passed_on(manager: &OwnedFd, within: Duration) -> Option<PassedOn> {
    let link = Wire::accept(manager, within)?;
    let [client]: [OwnedFd; 1] = link.receive_now().try_into().unwrap();
    let uid = getsockopt(&client, PeerCredentials).unwrap().uid();
    Some(PassedOn { uid, _client: client, _link: link })
}

#[test]
fn a_lease_comes_through_the_gate() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let activated = match lab.activate_at(INSTANCES) {
        Ok(activated) => activated,
        Err(why) => skip!("{why}"),
    };
    let gate = gate(&lab);
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    assert_eq!(keeper.caps().permitted, 0);
    assert_eq!(
        Process::new(gate.pid()).caps(),
        Caps { bounding: Process::new(gate.pid()).caps().bounding, ..Caps::NONE }
    );
    // What keeps a lease has nothing to do with the gate any more.
    gate.kill();
    assert!(!wire.readable(SHORTLY));
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[activated.activator.pid()]);
}

#[test]
fn users_take_turns_at_the_gate() {
    let lab = lab!();
    lab.prepare_for_service();
    lab.install_as_packaged(0o755);
    let manager = wire::listen(INSTANCES);
    let gate = gate(&lab);
    let flood: Vec<Wire> = (0..140).map(|_| lab.wire()).collect();
    let next = || passed_on(&manager, SOON).unwrap();
    let mut started: Vec<PassedOn> = (0..4).map(|_| next()).collect();
    assert!(started.iter().all(|one| one.uid == lab.user.uid));
    assert!(passed_on(&manager, SHORTLY).is_none(), "more than four of one user at a time");
    let other = lab.another_user();
    let one = Wire::connect_as(SOCKET, &other);
    started.push(next());
    assert_eq!(started[4].uid, other.uid, "another user does not wait for them");
    // Four are with the manager, 128 wait.
    let told = flood.iter().filter(|wire| wire.readable(Duration::ZERO)).map(Wire::refusal);
    let told: Vec<Code> = told.map(|refused| refused.code).collect();
    assert_eq!(told, [Code::Limit; 8]);
    drop(started.remove(0));
    started.push(next());
    assert_eq!(started[4].uid, lab.user.uid);
    // Who hangs up while he waits costs the manager nothing.
    drop((flood, one));
    started.clear();
    assert!(passed_on(&manager, SHORTLY).is_none());
    let _one = Wire::connect_as(SOCKET, &other);
    assert_eq!(next().uid, other.uid);
    lab.no_helpers_but(&[gate.pid()]);
}

/// A connection that comes from the service user itself is the gate's: what brings none is no
/// client.
#[test]
fn a_link_without_a_connection_is_no_client() {
    let lab = lab!();
    lab.prepare_for_service();
    lab.install_as_packaged(0o755);
    let account = Account::from_name(SERVICE).unwrap().unwrap();
    let service = User::with_uid(account.uid.as_raw(), vec![]);
    let (ours, theirs) = wire::pair(&service);
    ours.send(b"x").unwrap();
    let cmd = lab.cmd(INSTALLED).ids(account.uid.as_raw(), account.gid.as_raw(), &[]);
    cmd.stdin(theirs)
        .run(SOON)
        .exits(78)
        .err_has("receiving the connection from the gate: none came");
}
