// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whom a rule that denies a group means, line 32 of the list. The kernel knows the groups that a
//! user kept, and the user database its own; one of them is enough to be denied.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::{Lab, SOCKET, SOON, User, Wire, wire};
use xsk_tests::proto::{Code, Refused};
use xsk_tests::skip;

/// A group that no uid of the lab's has as its own.
const BARRED: u32 = 59_990;

/// The user may have everything, but for those of the group.
fn bar(lab: &Lab, group: &str) {
    let allow = format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid);
    lab.policy(&format!("{allow}[[deny]]\ngroups = [{group}]\ninterfaces = [\"eth*\"]\n"));
}

/// A group's line of group(5).
fn barred(lab: &Lab, members: &str) {
    lab.add_to("/etc/group", &format!("barred:x:{BARRED}:{members}\n"));
}

/// The answer over the socket, and that of a setuid run over a pair.
fn asked(lab: &Lab, ifname: &str) -> [Result<(), Refused>; 2] {
    let (pair, _run) = lab.exec(&lab.user);
    ask(ifname, [lab.wire(), pair])
}

/// Each asks for a queue of its own.
fn ask(ifname: &str, wires: [Wire; 2]) -> [Result<(), Refused>; 2] {
    let [over, pair] = wires;
    [(over, 0), (pair, 1)].map(|(wire, queue)| wire.get(ifname, queue, 1).map(drop))
}

#[track_caller]
fn granted(lab: &Lab, ifname: &str, but: u32) {
    asked(lab, ifname).into_iter().for_each(Result::unwrap);
    lab.nothing_left(ifname, &[but]);
    check(lab, ifname, 0);
}

#[track_caller]
fn refused(lab: &Lab, ifname: &str, code: Code) -> Refused {
    let [socket, setuid] =
        asked(lab, ifname).map(|answer| answer.expect_err("a denied user has a lease"));
    assert_eq!((socket.code, &socket), (code, &setuid));
    check(lab, ifname, if code == Code::NotAllowed { 77 } else { 78 });
    socket
}

/// `check-policy` says the same.
#[track_caller]
fn check(lab: &Lab, ifname: &str, status: i32) {
    let uid = lab.user.uid.to_string();
    lab.cmd("xsk-helper").args(["check-policy", "--as", &uid, ifname]).run(SOON).exits(status);
}

#[test]
fn h32_a_group_that_was_dropped_in_a_user_namespace_denies() {
    let lab = lab!();
    let veth = lab.veth(2);
    if let Err(why) = lab.subgids() {
        skip!("{why}");
    }
    let name = lab.account();
    barred(&lab, &name);
    let listener = lab.listen();
    let answers = || {
        let dropped = lab.without_groups(SOCKET);
        let (pair, far) = dropped.pair;
        let _run = lab.bare(&lab.user).stdin(far).start();
        let answers = ask(&veth.ifname, [dropped.over, pair]);
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
        answers.map(|answer| answer.map_err(|refused| refused.code))
    };
    bar(&lab, "\"audio\"");
    assert_eq!(answers(), [Ok(()), Ok(())]);
    for group in ["\"barred\"", &BARRED.to_string()] {
        bar(&lab, group);
        assert_eq!(answers(), [Err(Code::NotAllowed), Err(Code::NotAllowed)], "{group}");
        refused(&lab, &veth.ifname, Code::NotAllowed);
    }
}

#[test]
fn h32_a_group_of_the_process_denies_though_its_connection_was_made_without() {
    let lab = lab!();
    let veth = lab.veth(2);
    bar(&lab, &BARRED.to_string());
    let groups = [lab.user.groups.clone(), vec![BARRED]].concat();
    let member = User::with_uid(lab.user.uid, groups);
    let (ours, theirs) = wire::pair(&lab.user);
    let _run = lab.bare(&member).stdin(theirs).start();
    ours.is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    drop(ours);
    // A real group that a setgid program of the user's own has replaced in the effective one.
    let (ours, theirs) = wire::pair(&lab.user);
    let _run =
        lab.bare(&lab.user).ids(lab.user.uid, BARRED, &lab.user.groups).stdin(theirs).start();
    ours.is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    drop(ours);
    let (ours, theirs) = wire::pair(&lab.user);
    let _run = lab.bare(&lab.user).stdin(theirs).start();
    drop(ours.get(&veth.ifname, 0, 1).unwrap());
    drop(ours);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h32_a_member_by_a_second_name_is_a_member() {
    let lab = lab!();
    let veth = lab.veth(2);
    bar(&lab, &BARRED.to_string());
    let listener = lab.listen();
    let line = |name: &str| format!("{name}:*:{0}:{0}::/:/bin/sh\n", lab.user.uid);
    lab.add_to("/etc/passwd", &(line("first") + &line("second")));
    granted(&lab, &veth.ifname, listener.pid());
    barred(&lab, "nobody-any-more,second");
    refused(&lab, &veth.ifname, Code::NotAllowed);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h32_the_primary_group_of_a_second_name_denies() {
    let lab = lab!();
    let veth = lab.veth(2);
    bar(&lab, "\"barred\"");
    barred(&lab, "");
    let listener = lab.listen();
    let line = |name: &str, gid: u32| format!("{name}:*:{}:{gid}::/:/bin/sh\n", lab.user.uid);
    lab.add_to("/etc/passwd", &line("first", lab.user.uid));
    granted(&lab, &veth.ifname, listener.pid());
    lab.add_to("/etc/passwd", &line("second", BARRED));
    refused(&lab, &veth.ifname, Code::NotAllowed);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h32_a_uid_without_an_account_has_the_groups_that_the_kernel_tells_of() {
    let lab = lab!();
    let veth = lab.veth(2);
    bar(&lab, "\"barred\"");
    barred(&lab, "nobody-any-more");
    let listener = lab.listen();
    granted(&lab, &veth.ifname, listener.pid());
    let member = User::with_uid(lab.user.uid, vec![BARRED]);
    Wire::connect_as(SOCKET, &member).is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// How a service fails: with an errno, without one, for now.
const FAILURES: [&str; 3] = [
    "*e = EIO; return NSS_STATUS_UNAVAIL",
    "return NSS_STATUS_UNAVAIL",
    "*e = EAGAIN; return NSS_STATUS_TRYAGAIN",
];

#[test]
fn h32_a_user_database_that_fails_lets_nobody_in() {
    let lab = lab!();
    let veth = lab.veth(2);
    let listener = lab.listen();
    lab.account();
    barred(&lab, "far-away");
    for failure in FAILURES {
        if let Err(why) = lab.add_service(failure) {
            skip!("{why}");
        }
        // A member whom only that service may know; a group that it may know, by number and by
        // name.
        for group in ["\"barred\"", "59989", "\"far-away\""] {
            bar(&lab, group);
            let refused = refused(&lab, &veth.ifname, Code::Policy);
            let said = format!("{} {} {}", refused.object, refused.message, refused.hint);
            assert!(
                !said.contains("policy.toml:") && !said.contains(group),
                "{failure}: {refused:?}"
            );
            let done = lab.cmd("xsk-helper").arg("check-policy").run(SOON).exits(78);
            done.err_has("policy.toml:5").err_has("does not answer");
        }
    }
    assert!(listener.stderr().contains("user far-away"), "{}", listener.stderr());
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h32_a_user_database_that_fails_is_not_one_without_the_name() {
    let lab = lab!();
    let veth = lab.veth(2);
    bar(&lab, "\"xsk\"");
    lab.bin("xsk-helper");
    let commands: [&[&str]; 3] = [
        &["revoke", "--user", "far-away"],
        &["listen", "--socket", "/run/other.sock", "--socket-group", "far-away"],
        &["check-policy", "--as", "far-away"],
    ];
    for failure in FAILURES {
        if let Err(why) = lab.add_service(failure) {
            skip!("{why}");
        }
        for arguments in commands {
            let done = lab.cmd("xsk-helper").args(arguments).run(SOON).exits(78);
            done.err_has("does not answer").err_has("far-away");
        }
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let without = passwd.lines().filter(|line| !line.starts_with(lab::SERVICE));
    lab.cover("/etc/passwd", &without.flat_map(|line| [line, "\n"]).collect::<String>());
    let refused = lab.exec(&lab.user).0.refusal();
    assert_eq!(refused.code, Code::Internal);
    assert!(refused.message.contains("does not answer: user _xsk-helper"), "{refused:?}");
    assert!(refused.hint.contains("getent passwd _xsk-helper"), "{refused:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h32_an_account_that_cannot_be_looked_up_lets_nobody_in() {
    let lab = lab!();
    let veth = lab.veth(2);
    let listener = lab.listen();
    barred(&lab, "");
    bar(&lab, "\"barred\"");
    for failure in FAILURES {
        if let Err(why) = lab.add_service(failure) {
            skip!("{why}");
        }
        refused(&lab, &veth.ifname, Code::Policy);
    }
    // That there is no such entry is an answer.
    lab.add_service("return NSS_STATUS_NOTFOUND").unwrap();
    granted(&lab, &veth.ifname, listener.pid());
}
