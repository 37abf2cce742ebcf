// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exec runs by a user other than the one that the connection names, line 35 of the list: over the
//! end that connected to a listener, where the kernel names the listener; and by sudo, over
//! another's pair.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket, socketpair,
};
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, HELPER, INSTALLED, Lab, SOON, User, Wire, wire};
use xsk_tests::proto::{Code, Hello, Refused, Request, Revoke};
use xsk_tests::skip;

fn packets() -> OwnedFd {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap()
}

/// A connection of the lab's user's to a service of this user's: the service's end, and the other
/// one.
fn to_service(lab: &Lab, whose: &User) -> (Wire, OwnedFd) {
    // In the abstract, so that everybody can listen.
    let address = UnixAddr::new_abstract(format!("service-{}", lab.user.uid).as_bytes()).unwrap();
    let service = wire::with_credentials(whose, || {
        let service = packets();
        bind(service.as_raw_fd(), &address).unwrap();
        listen(&service, Backlog::new(1).unwrap()).unwrap();
        service
    });
    let end = wire::with_credentials(&lab.user, || {
        let end = packets();
        connect(end.as_raw_fd(), &address).unwrap();
        end
    });
    (Wire::accept(&service, SOON).unwrap(), end)
}

/// What the helper answers to one that speaks at once.
fn answer(helper: Cmd, ours: &Wire, theirs: OwnedFd) -> Refused {
    let run = helper.stdin(theirs).start();
    ours.say(&Request::Hello(Hello::default()));
    ours.say(&Request::Revoke(Revoke {
        ifname: String::new(),
        queue: Revoke::ANY,
        user: Revoke::ANY,
    }));
    let refused = ours.refusal();
    assert!(ours.ends(SOON));
    run.finish(SOON);
    refused
}

#[track_caller]
fn is_refused(refused: &Refused, because: &str) {
    assert_eq!(refused.code, Code::Identity, "{refused:?}");
    assert!(refused.message.contains(because) && !refused.hint.is_empty(), "{refused:?}");
}

fn root() -> User {
    User::with_uid(0, vec![])
}

#[test]
fn h35_by_pkexec_a_service_of_roots_makes_nobody_root() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    let _polkit = match lab.polkit() {
        Ok(polkit) => polkit,
        Err(why) => skip!("{why}"),
    };
    let by_pkexec = || lab.user_cmd("pkexec").arg(INSTALLED);
    let (ours, theirs) = to_service(&lab, &root());
    is_refused(&answer(by_pkexec(), &ours, theirs), "to a listener");
    // Another user's pair, and root's.
    for whose in [&lab.another_user(), &root()] {
        let (ours, theirs) = wire::pair(whose);
        is_refused(&answer(by_pkexec(), &ours, theirs), "uid");
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h35_the_end_that_connected_to_a_listener_names_nobody() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy("");
    // The user's own service names the user, and is refused like all others.
    for whose in [&root(), &lab.another_user(), &lab.user] {
        let (ours, theirs) = to_service(&lab, whose);
        is_refused(&answer(lab.bare(&lab.user), &ours, theirs), "to a listener");
    }
    let (ours, theirs) = to_service(&lab, &root());
    is_refused(&answer(lab.cmd("xsk-helper"), &ours, theirs), "to a listener");
    // With a name in a folder, too.
    let path = lab.path("service").display().to_string();
    let service = wire::listen(&path);
    let theirs = packets();
    connect(theirs.as_raw_fd(), &UnixAddr::new(Path::new(&path)).unwrap()).unwrap();
    fs::remove_file(&path).unwrap();
    let ours = Wire::accept(&service, SOON).unwrap();
    is_refused(&answer(lab.cmd("xsk-helper"), &ours, theirs), "to a listener");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h35_a_service_of_roots_that_echoes_makes_nobody_root() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.install_as_packaged(0o755);
    if let Err(why) = lab.sudo() {
        skip!("{why}");
    }
    let other = lab.another_user();
    lab.policy(&format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", other.uid));
    let (victim, _run) = lab.exec(&other);
    let grant = victim.get(&veth.ifname, 0, 1).unwrap();
    let sudo = || lab.user_cmd("sudo").args(["-n", INSTALLED]);
    let (ours, theirs) = to_service(&lab, &root());
    is_refused(&answer(sudo(), &ours, theirs), "to a listener");
    // A pair of root's, and one of the victim's, that came into the user's hands.
    let pair = || {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    };
    let (ours, theirs) = pair();
    let by_sudo = format!("for uid {}, by SUDO_UID,", lab.user.uid);
    is_refused(&answer(sudo(), &Wire::from(ours), theirs), &by_sudo);
    let (ours, theirs) = wire::pair(&other);
    is_refused(&answer(sudo(), &ours, theirs), &by_sudo);
    assert!(!victim.readable(std::time::Duration::from_millis(100)), "the lease was touched");
    drop((victim, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h35_root_alone_is_root_and_nobody_else() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (ours, theirs) = wire::pair(&lab.user);
    is_refused(&answer(lab.cmd("xsk-helper"), &ours, theirs), "started by uid 0 over a connection");
    // Whatever more is said has to agree, each time that it is said.
    let uid = lab.user.uid.to_string();
    for said in
        [&[("SUDO_UID", "")][..], &[("SUDO_UID", "-1")], &[("SUDO_UID", &uid), ("PKEXEC_UID", "0")]]
    {
        let (ours, theirs) = wire::pair(&lab.user);
        let helper =
            said.iter().fold(lab.cmd("xsk-helper"), |cmd, (name, value)| cmd.env(name, value));
        is_refused(&answer(helper, &ours, theirs), "_UID");
    }
    let (ours, theirs) = wire::pair(&lab.user);
    let twice = [&b"SUDO_UID=0"[..], format!("SUDO_UID={uid}").as_bytes()].map(<[u8]>::to_vec);
    let environment: Vec<&[u8]> = twice.iter().map(Vec::as_slice).collect();
    let helper = lab.cmd("xsk-helper").execute(HELPER, &[b"xsk-helper"], &environment);
    is_refused(&answer(helper, &ours, theirs), "_UID");
    lab.nothing_left(&veth.ifname, &[]);
}

/// `sudo -s` leaves SUDO_UID to everything that root starts in it.
#[test]
fn h35_root_in_a_shell_of_sudos_is_served() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy("[[allow]]\nusers = [0]\ninterfaces = [\"*\"]\n");
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let client = lab.cmd("xsk-client").args(["run", "--helper"]).arg(lab.bin("xsk-helper"));
    let client = client.args(["--acquire", &netdev, "--", "printenv", "XSK_NETDEV_n0"]);
    let done =
        client.env("SUDO_UID", lab.user.uid.to_string()).env("PKEXEC_UID", "1").run(SOON).ok();
    assert!(done.stdout.contains("sock-fds="), "{done:?}");
    lab.nothing_left(&veth.ifname, &[]);
    // Another program that starts the helper is told what to do.
    let pair = || {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    };
    let (ours, theirs) = pair();
    let helper = lab.cmd("xsk-helper").env("SUDO_UID", lab.user.uid.to_string());
    let refused = answer(helper, &Wire::from(ours), theirs);
    is_refused(&refused, "by SUDO_UID");
    assert!(refused.hint.contains("env -u SUDO_UID"), "{refused:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h20_what_a_setuid_run_makes_is_of_roots_group() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (wire, _run) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let mut folders = vec![Path::new("/run/xsk-helper").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let found = entry.metadata().unwrap();
            assert_ne!(found.gid(), lab.user.uid, "{}", entry.path().display());
            folders.extend(found.is_dir().then(|| entry.path()));
        }
    }
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}
