// SPDX-License-Identifier: MIT OR Apache-2.0
//! `check-policy --as`: every rule about a user, their groups, and whether they reach the helper.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{create_dir_all, write};

use serde_json::Value;
use xsk_tests::lab;
use xsk_tests::lab::{Done, Lab, POLICY, SOCKET, SOON};

const FOLDER: &str = "/etc/xsk-helper/policy.d";
const MORE: &str = "/etc/xsk-helper/policy.d/20-more.toml";

fn check(lab: &Lab, arguments: &[&str]) -> Done {
    lab.cmd("xsk-helper").arg("check-policy").args(arguments).run(SOON)
}

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap()
}

/// Rules by number, by name and by group, in two files, and one about somebody else.
fn rules(lab: &Lab, name: &str) {
    let uid = lab.user.uid;
    lab.policy(&format!(
        "[[allow]]\nusers = [{uid}]\ninterfaces = [\"eth1\", \"tap*\"]\nqueues = \"0-3\"\n\
         [[allow]]\nusers = [0]\ninterfaces = [\"*\"]\n\
         [[deny]]\nusers = [\"{name}\"]\ninterfaces = [\"eth0\"]\n"
    ));
    create_dir_all(FOLDER).unwrap();
    write(MORE, "[[allow]]\ngroups = [\"vms\"]\ninterfaces = [\"eth[2-9]\"]\nshared = true\n")
        .unwrap();
}

#[test]
fn every_rule_about_a_user_is_shown_with_what_makes_it_theirs() {
    let lab = lab!();
    let name = lab.account();
    lab.add_to("/etc/group", &format!("vms:x:59991:{name}\n"));
    rules(&lab, &name);
    let done = check(&lab, &["--as", &name]).ok();
    let user = format!("user {}", lab.user.uid);
    for said in [
        format!("allows eth1, tap* to {user}\n  queues 0-3,"),
        format!("denies eth0 to user {name}\n"),
        format!("{MORE}:1 allows eth[2-9] to group vms\n"),
        "vms".to_owned(),
    ] {
        assert!(done.stdout.contains(&said), "{said}: {}", done.stdout);
    }
    assert!(!done.stdout.contains("user 0"), "{}", done.stdout);

    let done = check(&lab, &["--as", &name, "eth5", "--json"]).ok();
    let user = &json(&done)["user"];
    assert_eq!(user["granted_by"], format!("{MORE}:1"));
    let rules = user["rules"].as_array().unwrap();
    assert_eq!((rules.len(), &rules[0]["by"][0]), (1, &"group vms".into()), "{rules:?}");
    assert_eq!(rules[0]["terms"]["shared"], true);

    let done = check(&lab, &["--as", &name, "eth0", "--json"]).exits(77);
    let said = json(&done);
    assert_eq!(said["error"]["code"], "not-allowed");
    assert_eq!(said["user"]["rules"][0]["denies"], true, "{said}");
    assert!(said["user"]["granted_by"].is_null(), "{said}");
    check(&lab, &["--as", &name, "eth0"]).exits(77).err_has(&format!("is denied eth0 by {POLICY}"));
}

#[test]
fn whether_the_user_reaches_the_socket_is_said_with_the_mend() {
    let lab = lab!();
    let name = lab.account();
    lab.allow("eth1");
    let reach = |arguments: &[&str]| {
        json(&check(&lab, &[&["--json", "--as", &name], arguments].concat()).ok())
    };
    let none = &reach(&["eth1"])["user"]["reach"];
    assert_eq!(none["can"], false);
    assert!(none["text"].as_str().unwrap().contains("there is no socket"), "{none}");

    lab.install_as_packaged(0o4750);
    let setuid = &reach(&[])["user"]["reach"];
    assert_eq!(
        (&setuid["can"], &setuid["path"]),
        (&false.into(), &"/usr/libexec/xsk-helper".into())
    );

    let listener = lab.cmd("xsk-helper").args(["listen", "--socket", SOCKET]).start();
    lab::wait_until(SOON, "the socket", || std::path::Path::new(SOCKET).exists());
    let outside = check(&lab, &["--as", &name]).ok();
    let mend = format!(
        "cannot connect to {SOCKET} (mode 0660, group xsk)\n  hint: usermod -aG xsk {name}"
    );
    assert!(outside.stdout.contains(&mend), "{}", outside.stdout);

    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let line = groups.lines().find(|line| line.starts_with("xsk:")).unwrap();
    let comma = if line.ends_with(':') { "" } else { "," };
    lab.cover("/etc/group", &groups.replace(line, &format!("{line}{comma}{name}")));
    let inside = &reach(&["eth1"])["user"];
    assert_eq!(
        (&inside["reach"]["can"], &inside["groups"][1]),
        (&true.into(), &"xsk".into()),
        "{inside}"
    );
    drop(listener);
}
