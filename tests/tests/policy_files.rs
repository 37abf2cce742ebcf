// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file of the policy that the service cannot use stops it for everybody. The refusal, the log
//! and `check-policy` name that file, and what `check-policy` says mends it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use xsk_tests::lab;
use xsk_tests::lab::{Done, Lab, SOON};

const FOLDER: &str = "/etc/xsk-helper/policy.d";
const RULE: &str = "/etc/xsk-helper/policy.d/10-carol.toml";

fn mode(path: &str, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A policy of two files, of which the second is about somebody else.
fn two_files(lab: &Lab) {
    lab.allow("*");
    create_dir(FOLDER).unwrap();
    mode(FOLDER, 0o755);
    write(RULE, "[[allow]]\nusers = [4000000]\ninterfaces = [\"eth7\"]\n").unwrap();
    mode(RULE, 0o644);
    lab.ages(RULE);
    lab.ages(FOLDER);
}

fn acquire(lab: &Lab) -> Done {
    let netdev = "af-xdp,id=n0,ifname=eth1";
    lab.user_cmd("xsk-client").args(["run", "--acquire", netdev, "--", "true"]).run(SOON)
}

fn check(lab: &Lab) -> Done {
    lab.cmd("xsk-helper").arg("check-policy").run(SOON)
}

/// Nobody is served because of `place`, and root is told of it with `why`.
#[track_caller]
fn stopped(lab: &Lab, place: &str, why: &str) {
    let done = acquire(lab).exits(125);
    done.err_has(&format!("the policy cannot be used because of {place}, so nobody is served"))
        .err_has("check-policy");
    let done = check(lab).exits(78);
    done.err_has(&format!("xsk-helper: {place}: {why}"))
        .err_has("until this is mended nobody is served");
}

#[test]
fn what_the_service_user_cannot_read_is_named_with_its_mode_and_mend() {
    let lab = lab!();
    lab.veth(1);
    two_files(&lab);
    let listener = lab.listen();
    let cases = [
        (RULE, 0o600, 0o644, "(mode 0600; chmod a+r)"),
        (RULE, 0o640, 0o644, "(mode 0640; chmod a+r)"),
        (FOLDER, 0o750, 0o755, "(mode 0750; chmod a+rx)"),
        (FOLDER, 0o754, 0o755, "(mode 0754; chmod a+rx)"),
        (lab::POLICY, 0o400, 0o444, "(mode 0400; chmod a+r)"),
        ("/etc/xsk-helper", 0o700, 0o755, "(mode 0700; chmod a+rx)"),
    ];
    for (path, broken, mended, how) in cases {
        mode(path, broken);
        stopped(&lab, path, &format!("the service user '_xsk-helper' cannot read it {how}"));
        let logged = listener.stderr();
        assert!(
            logged
                .contains(&format!("{path}: the service user '_xsk-helper' cannot read it {how}")),
            "{logged}"
        );
        let done =
            lab.cmd("chmod").args([how.rsplit(' ').next().unwrap().trim_end_matches(')'), path]);
        done.run(SOON).ok();
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mended, "{path}");
        check(&lab).ok();
        acquire(&lab).ok();
    }
    lab.nothing_left("eth1", &[listener.pid()]);
}

#[test]
fn a_broken_file_of_another_users_stops_everybody_and_is_named() {
    let lab = lab!();
    lab.veth(1);
    two_files(&lab);
    let listener = lab.listen();
    write(RULE, "[[allow]]\nusers = [4000000]\ninterface = [\"eth7\"]\n").unwrap();
    lab.ages(RULE);
    stopped(&lab, &format!("{RULE}:3"), "unknown field `interface`");
    assert!(listener.stderr().contains(&format!("{RULE}:3")), "{}", listener.stderr());
    lab.nothing_left("eth1", &[listener.pid()]);
}
