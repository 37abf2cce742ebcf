// SPDX-License-Identifier: MIT OR Apache-2.0
//! The helper: not there, without privileges, for another group, silent, elsewhere, and with no
//! rule for this user.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::unistd::{Group, chown};
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, HELPER, INSTALLED, Lab, POLICY, SOCKET, SOON, User};

use super::said::{NO_QEMU, doctor, mended, run};

/// Doctor as a user, with a way to a helper.
fn by(lab: &Lab, user: &User, way: &[&str]) -> Cmd {
    lab.cmd("xsk-client").user(user).arg("doctor").args(NO_QEMU).args(way)
}

#[test]
fn no_helper_and_no_bpffs() {
    let lab = lab!();
    if Path::new(INSTALLED).exists() {
        lab.overlay("/usr/libexec");
        std::fs::remove_file(INSTALLED).unwrap();
    }
    let said = run(|| by(&lab, &lab.user, &[]));
    said.exits(69);
    said.has(
        "fail",
        "helper",
        "no helper: there is neither /run/xsk-helper/socket nor /usr/libexec/xsk-helper",
        "install it and start it: make install && systemctl enable --now xsk-helper.socket",
    );
    let mend = said.has(
        "note",
        "bpffs",
        "not mounted at /run/xsk-helper/bpf as seen from here; a helper that starts as root mounts it",
        "sudo mkdir -p /run/xsk-helper/bpf && sudo mount -t bpf bpf /run/xsk-helper/bpf",
    );
    mended(&lab, &mend);
    let said = run(|| by(&lab, &lab.user, &[]));
    said.ok("bpffs", "mounted at /run/xsk-helper/bpf");
    // With the helper listening and a policy all is well.
    lab.policy("");
    let _listener = lab.listen();
    let said = run(|| by(&lab, &lab.user, &[]));
    said.ok("helper", "it answers; leases that you can see: 0");
    said.exits(0);
}

#[test]
fn a_helper_that_is_named_and_not_there() {
    let lab = lab!();
    let said = run(|| by(&lab, &lab.user, &["--socket", SOCKET]));
    said.exits(69);
    said.has(
        "fail",
        "helper",
        "there is no socket at /run/xsk-helper/socket",
        "start the helper: systemctl enable --now xsk-helper.socket, or: xsk-helper listen --socket \
         /run/xsk-helper/socket",
    );
    let said = run(|| by(&lab, &lab.user, &["--helper", "/nonexistent"]));
    said.exits(78);
    let mend = "make install, or name another: --helper PATH";
    said.has("fail", "helper", "/nonexistent is not installed", mend);
    // As the second half of the first command says.
    lab.policy("");
    let _listener = lab.listen();
    run(|| by(&lab, &lab.user, &["--socket", SOCKET])).exits(0);
}

#[test]
fn a_helper_without_privileges() {
    let lab = lab!();
    lab.policy("");
    lab.install_helper(0o755);
    let said = run(|| by(&lab, &lab.user, &["--helper", HELPER]));
    said.exits(78);
    let message = "the helper has no privileges: this copy of it is not setuid root and has no file capabilities, or its \
                   file system is mounted nosuid";
    // No other file than the installed helper is ever to be setuid.
    let mend = "use the system socket. The installed helper alone may be setuid: chown root:xsk \
                /usr/libexec/xsk-helper && chmod 4750 /usr/libexec/xsk-helper";
    said.has("fail", "helper", message, mend);
    lab.install_helper(0o4750);
    let said = run(|| by(&lab, &lab.user, &["--helper", HELPER]));
    said.ok("helper", "it answers");
    said.exits(0);
    lab.no_helpers_but(&[]);
}

#[test]
fn a_user_who_is_not_in_the_group() {
    let lab = lab!();
    lab.policy("");
    lab.install_helper(0o4750);
    let stranger = User::with_uid(lab.user.uid, vec![]);
    let said = run(|| by(&lab, &stranger, &["--helper", HELPER]));
    said.exits(78);
    let message = format!("{HELPER} may be run by group xsk only, and you are not in it");
    said.has("fail", "helper", &message, "sudo usermod -aG xsk $USER, and log in again");
    let listener = lab.listen();
    let group = Group::from_name("xsk").unwrap().unwrap();
    chown(SOCKET, None, Some(group.gid)).unwrap();
    std::fs::set_permissions(SOCKET, PermissionsExt::from_mode(0o660)).unwrap();
    let said = run(|| by(&lab, &stranger, &["--socket", SOCKET]));
    said.exits(69);
    let message = "you may not connect to /run/xsk-helper/socket";
    said.has("fail", "helper", message, "sudo usermod -aG xsk $USER, and log in again");
    // Who is in the group may, by either way.
    for way in [["--helper", HELPER], ["--socket", SOCKET]] {
        run(|| by(&lab, &lab.user, &way)).exits(0);
    }
    lab.no_helpers_but(&[listener.pid()]);
}

#[test]
fn a_helper_that_says_nothing() {
    let lab = lab!();
    let path = lab.path("silent");
    let silent =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(silent.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    listen(&silent, Backlog::new(16).unwrap()).unwrap();
    let way = ["--socket", path.to_str().unwrap()];
    let begun = Instant::now();
    by(&lab, &lab.user, &way).run(SOON);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let said = run(|| by(&lab, &lab.user, &way));
    let message = "the helper does not answer within two seconds";
    said.has("fail", "helper", message, "systemctl status 'xsk-helper@*'");
    said.exits(69);
}

#[test]
fn a_helper_in_another_network_namespace() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let listener = lab.listen();
    let said = run(|| {
        lab.peer_cmd("xsk-client")
            .user(&lab.user)
            .args(["doctor", "--socket", SOCKET, &veth.peer])
            .args(NO_QEMU)
    });
    said.exits(78);
    said.lacks("helper");
    said.has(
        "fail",
        "namespace",
        "the client is in another network namespace than this helper",
        "start a helper in the client's namespace: xsk-client run --helper, or xsk-helper listen there",
    );
    lab.no_helpers_but(&[listener.pid()]);
}

#[test]
fn no_rule_for_this_user() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy("");
    let said = doctor(&lab, &veth.ifname);
    said.exits(77);
    let message = format!("the policy does not allow uid {} to use eth1", lab.user.uid);
    let mend = "the administrator can add a rule to /etc/xsk-helper/policy.toml";
    said.has("fail", "policy", &message, mend);
    lab.allow("eth1");
    let said = doctor(&lab, &veth.ifname);
    said.ok("policy", "you may have eth1 by ");
    said.exits(0);
    // A policy that cannot be read is another thing than one that says no.
    lab.policy("[[allow]]\nusers = 7\n");
    let said = doctor(&lab, &veth.ifname);
    let message =
        |place| format!("the policy cannot be used because of {place}, so nobody is served");
    said.has(
        "fail",
        "policy",
        &message("/etc/xsk-helper/policy.toml:2"),
        "as root: xsk-helper check-policy",
    );
    said.exits(78);
    std::fs::remove_file(POLICY).unwrap();
    let message = message(POLICY);
    doctor(&lab, &veth.ifname).has("fail", "policy", &message, "as root: xsk-helper check-policy");
    lab.no_helpers_but(&[]);
}
