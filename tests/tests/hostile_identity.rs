// SPDX-License-Identifier: MIT OR Apache-2.0
//! Identity and policy, lines 15 to 19 of the list; `hostile_setuid.rs` has the
//! rest of the section.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use xsk_tests::lab;
use xsk_tests::lab::{ADMIN, HELPER, Lab, POLICY, SERVICE, SOCKET, SOON, User, Veth, Wire, wire};
use xsk_tests::proto::{Code, Refused, Reply, Request, Revoke};

/// A pair of sockets that root made.
fn pair_of_roots() -> (Wire, OwnedFd) {
    let (a, b) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    (a.into(), b)
}

/// What the helper answers to a request for the first queue, over a setuid run.
fn asked(lab: &Lab, ifname: &str) -> Result<wire::Leased, Refused> {
    let (wire, _helper) = lab.exec(&lab.user);
    wire.get(ifname, 0, 1)
}

#[test]
fn h15_without_a_rule_an_interface_that_exists_answers_like_one_that_does_not() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.policy("[[allow]]\nusers = [0]\ninterfaces = [\"*\"]\n");
    let listener = lab.listen();
    let answer = |name: &str, first, queues| {
        let refused = lab.wire().is_refused(name, first, queues, Code::NotAllowed);
        format!("{refused:?}").replace(name, "NAME")
    };
    let there = answer(&veth.ifname, 0, 1);
    assert_eq!(there, answer("eth9", 0, 1));
    assert_eq!(there, answer("veth9999", 0, 1));
    // Not even the number of queues shows.
    assert_eq!(answer(&veth.ifname, 60, 1), answer("eth9", 60, 1));
    lab::link::ip(&["link", "property", "add", "dev", &veth.ifname, "altname", "alt1"]);
    assert_eq!(there, answer("alt1", 0, 1));
    let check = |name: &str| {
        let wire = lab.wire();
        wire.greet();
        wire.say(&Request::Check(wire::acquire(name, 0, 1)));
        format!("{:?}", wire.refusal()).replace(name, "NAME")
    };
    assert_eq!(check(&veth.ifname), check("eth9"));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h16_a_connection_has_the_rights_of_who_made_it() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    // Made by somebody without a rule, used by root (this process), after its maker's thread is
    // gone.
    let wire = Wire::connect_as(SOCKET, &other);
    wire.is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    drop(wire);
    // Made by the user, used by somebody else: the grant is the user's.
    let wire = lab.wire();
    let grant = wire::with_credentials(&other, || wire.get(&veth.ifname, 0, 1)).unwrap();
    let leases = Wire::connect(SOCKET).status().leases;
    assert_eq!(leases.iter().map(|l| l.uid).collect::<Vec<_>>(), [lab.user.uid]);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h16_a_setuid_run_over_somebody_elses_socketpair_is_refused() {
    let lab = lab!();
    let veth = lab.veth(1);
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [0, {}, {}]\ninterfaces = [\"*\"]\n",
        lab.user.uid, other.uid
    ));
    for (ours, theirs) in [pair_of_roots(), wire::pair(&other)] {
        let helper = lab.bare(&lab.user).stdin(theirs).start();
        ours.say(&Request::Hello(xsk_tests::proto::Hello::default()));
        let refused = ours.refusal();
        assert_eq!(refused.code, Code::Identity, "{refused:?}");
        assert!(ours.ends(SOON));
        helper.finish(SOON);
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h16_standard_input_that_is_no_connection() {
    let lab = lab!();
    for input in ["/dev/null", "/etc/passwd"] {
        let file = OwnedFd::from(fs::File::open(input).unwrap());
        let done = lab.bare(&lab.user).stdin(file).run(SOON);
        assert!(!done.status.success() && !done.stderr.is_empty(), "{input}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{done:?}");
    }
    lab.no_helpers_but(&[]);
}

#[test]
fn h16_arguments_are_for_root_and_the_service_user() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    for args in [
        &["listen", "--socket", "/tmp/x"][..],
        &["reap"],
        &["revoke"],
        &["--help"],
        &["\u{1}"],
        &[""],
    ] {
        let done = lab.bare(&lab.user).args(args).run(SOON);
        assert!(!done.status.success(), "{args:?}: {done:?}");
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{args:?}: {done:?}");
    }
    lab.nothing_left(&veth.ifname, &[]);
}

/// A command runs as the caller who gave it, in a program that is not setuid, and that asks itself
/// who that is.
#[test]
fn h16_the_setuid_bit_gives_nothing_to_a_command() {
    let lab = lab!();
    lab.install_helper(0o4755);
    let done = lab.user_cmd(ADMIN).arg("--help").run(SOON).exits(77);
    assert!(done.stdout.is_empty() && done.stderr.contains("only root"), "{done:?}");
    let service = nix::unistd::User::from_name(SERVICE).unwrap().unwrap();
    let as_service =
        |program: &str| lab.cmd(program).ids(service.uid.as_raw(), service.gid.as_raw(), &[]);
    as_service(HELPER).arg("--help").run(SOON).ok();
    as_service(HELPER).arg("reap").run(SOON).exits(78).err_has("the helper has no privileges");
    lab.cmd(HELPER).arg("reap").run(SOON).ok();
}

#[test]
fn a_helper_without_its_other_program_says_so() {
    let lab = lab!();
    lab.install_helper(0o4755);
    fs::remove_file(ADMIN).unwrap();
    lab.cmd(HELPER)
        .arg("reap")
        .run(SOON)
        .exits(78)
        .err_has("No such file or directory")
        .err_has("make install");
}

#[test]
fn h17_uids_are_unsigned() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (high, groups) = (3_000_000_000u32, lab.user.groups.clone());
    lab.policy(&format!("[[allow]]\nusers = [{high}]\ninterfaces = [\"*\"]\n"));
    let ids = User::with_uid(high, groups);
    let (wire, _helper) = lab.exec(&ids);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
    for number in ["-1", "4294967295", "4294967296", "-2"] {
        for kind in ["allow", "deny"] {
            lab.policy(&format!(
                "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n[[{kind}]]\nusers = [{number}]\ninterfaces = [\"*\"]\n",
                lab.user.uid
            ));
            let refused = asked(&lab, &veth.ifname)
                .expect_err("a policy with an impossible uid was accepted");
            assert_eq!(refused.code, Code::Policy, "{refused:?}");
        }
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h18_revoking_somebody_elses_lease_is_denied() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\n",
        lab.user.uid, other.uid
    ));
    let listener = lab.listen();
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let revoke = |user: &User, whose: u32| {
        let wire = Wire::connect_as(SOCKET, user);
        wire.greet();
        wire.say(&Request::Revoke(Revoke {
            ifname: veth.ifname.clone(),
            queue: Revoke::ANY,
            user: whose,
        }));
        wire.reply().0
    };
    match revoke(&other, lab.user.uid) {
        Reply::Refused(refused) => assert_eq!(refused.code, Code::NotAllowed, "{refused:?}"),
        reply => panic!("{reply:?}"),
    }
    match revoke(&other, Revoke::ANY) {
        Reply::Refused(refused) => assert_eq!(refused.code, Code::NotAllowed, "{refused:?}"),
        reply => assert_eq!(reply, Reply::Revoked { leases: 0 }),
    }
    assert!(!wire.readable(Duration::from_millis(200)), "the lease was touched");
    // A user sees only their own leases.
    let seen = Wire::connect_as(SOCKET, &other).status();
    assert!(seen.leases.is_empty() && seen.interfaces.is_empty(), "{seen:?}");
    assert_eq!(lab.wire().status().leases.len(), 1);
    assert_eq!(revoke(&lab.user, Revoke::ANY), Reply::Revoked { leases: 1 });
    assert!(wire.ends(SOON));
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// Every setuid run is refused because of the policy, and the refusal names `path`.
fn policy_is_refused(lab: &Lab, veth: &Veth, path: &str) {
    let refused =
        asked(lab, &veth.ifname).expect_err("a policy that cannot be trusted was accepted");
    assert_eq!(refused.code, Code::Policy, "{path}: {refused:?}");
    let said = format!("{} {} {}", refused.object, refused.message, refused.hint);
    assert!(said.contains(path), "{path} is not named: {refused:?}");
}

fn rule(lab: &Lab) -> String {
    format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid)
}

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn h19_a_policy_file_that_others_can_write_or_own() {
    let lab = lab!();
    let veth = lab.veth(1);
    for bits in [0o666, 0o664, 0o646, 0o4622] {
        lab.policy(&rule(&lab));
        mode(POLICY, bits);
        policy_is_refused(&lab, &veth, POLICY);
    }
    lab.policy(&rule(&lab));
    chown(POLICY, Some(lab.user.uid), None).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    chown(POLICY, Some(0), None).unwrap();
    for bits in [0o777, 0o775, 0o757] {
        mode("/etc/xsk-helper", bits);
        policy_is_refused(&lab, &veth, "/etc/xsk-helper");
    }
    mode("/etc/xsk-helper", 0o755);
    chown("/etc/xsk-helper", Some(lab.user.uid), None).unwrap();
    policy_is_refused(&lab, &veth, "/etc/xsk-helper");
    chown("/etc/xsk-helper", Some(0), None).unwrap();
    drop(asked(&lab, &veth.ifname).unwrap());
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_a_policy_that_is_no_plain_file() {
    let lab = lab!();
    let veth = lab.veth(1);
    let text = rule(&lab);
    fs::write("/etc/xsk-helper/real.toml", &text).unwrap();
    symlink("/etc/xsk-helper/real.toml", POLICY).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    fs::remove_file(POLICY).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    nix::unistd::mkfifo(POLICY, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    fs::remove_file(POLICY).unwrap();
    fs::create_dir(POLICY).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    fs::remove_dir(POLICY).unwrap();
    lab.policy(&text);
    fs::OpenOptions::new().write(true).open(POLICY).unwrap().set_len(1 << 30).unwrap();
    let begin = Instant::now();
    policy_is_refused(&lab, &veth, POLICY);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_a_policy_that_does_not_say_what_it_seems_to() {
    let lab = lab!();
    let veth = lab.veth(1);
    let rule = rule(&lab);
    for wrong in [
        format!("{rule}colour = \"red\"\n"),
        format!("{rule}[other]\na = 1\n"),
        format!("{rule}[[alow]]\nusers = [1]\n"),
        format!("{rule}users = [2]\n"),
        rule.replace("[\"*\"]", "\"*\""),
        rule.replace("\"*\"", "\"[\""),
        rule.replace("[[allow]]", "[[allow"),
        format!("{rule}# \u{0}"),
        format!("{rule}[[deny]]\nusers = [\"no-such-user-here\"]\ninterfaces = [\"x\"]\n"),
        format!("{rule}[[deny]]\ngroups = [\"no-such-group-here\"]\ninterfaces = [\"x\"]\n"),
    ] {
        lab.policy(&wrong);
        policy_is_refused(&lab, &veth, POLICY);
    }
    fs::write(POLICY, [rule.as_bytes(), b"# \xff\xfe\n"].concat()).unwrap();
    policy_is_refused(&lab, &veth, POLICY);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_a_name_that_nobody_has_is_for_the_log_and_not_for_users() {
    let lab = lab!();
    let veth = lab.veth(1);
    let listener = lab.listen();
    for kind in ["users", "groups"] {
        let name = format!("secret-{kind}");
        let allow = format!("{}linger_seconds = 0\n", rule(&lab));
        lab.policy(&format!("{allow}[[deny]]\n{kind} = [\"{name}\"]\ninterfaces = [\"x\"]\n"));
        let other = lab.another_user();
        for user in [&lab.user, &other] {
            let wire = Wire::connect_as(SOCKET, user);
            let refused = wire.is_refused(&veth.ifname, 0, 1, Code::Policy);
            let said = format!("{refused:?}");
            assert!(!said.contains(&name) && !said.contains("policy.toml:"), "{said}");
            assert!(said.contains("nobody is served") && said.contains("check-policy"), "{said}");
        }
        let place = format!("{POLICY}:5: ");
        for arguments in [&["check-policy"][..], &["check-policy", "--as", "root", "x"]] {
            let done = lab.cmd("xsk-helper").args(arguments).run(SOON).exits(78);
            done.err_has(&place).err_has(&name);
        }
        let log = listener.stderr();
        assert!(log.lines().any(|line| line.contains(&place) && line.contains(&name)), "{log}");
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// An allow rule is written, and the deny rule that belongs to it a moment later. A time in the
/// future is no reason to wait.
#[test]
fn h19_a_policy_that_is_being_written_is_read_again() {
    let lab = lab!();
    let veth = lab.veth(1);
    let all = format!("{}[[deny]]\nusers = [{}]\ninterfaces = [\"*\"]\n", rule(&lab), lab.user.uid);
    for _ in 0..3 {
        lab.policy("");
        fs::write(POLICY, rule(&lab)).unwrap();
        let (wire, _run) = lab.exec(&lab.user);
        std::thread::sleep(Duration::from_millis(50));
        fs::write(POLICY, &all).unwrap();
        wire.is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    }
    let (begin, future) = (Instant::now(), SystemTime::now() + Duration::from_secs(1 << 20));
    lab.policy(&rule(&lab));
    fs::File::open(POLICY).unwrap().set_modified(future).unwrap();
    let (wire, _run) = lab.exec(&lab.user);
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h19_an_include_that_cannot_be_read_or_trusted() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy("");
    let (dir, path) = ("/etc/xsk-helper/policy.d", "/etc/xsk-helper/policy.d/10-more.toml");
    fs::create_dir(dir).unwrap();
    mode(dir, 0o755);
    fs::write(path, rule(&lab)).unwrap();
    mode(path, 0o644);
    // What an editor leaves there is no policy.
    symlink("alice@host.1", format!("{dir}/.#10-more.toml")).unwrap();
    fs::write(format!("{dir}/.old.toml"), "nonsense").unwrap();
    drop(asked(&lab, &veth.ifname).unwrap());
    mode(path, 0o666);
    policy_is_refused(&lab, &veth, path);
    fs::remove_file(path).unwrap();
    symlink("/nowhere", path).unwrap();
    policy_is_refused(&lab, &veth, path);
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    policy_is_refused(&lab, &veth, path);
    fs::remove_dir(path).unwrap();
    fs::write(path, "nonsense").unwrap();
    policy_is_refused(&lab, &veth, path);
    fs::remove_file(path).unwrap();
    mode(dir, 0o777);
    policy_is_refused(&lab, &veth, dir);
    lab.nothing_left(&veth.ifname, &[]);
}
