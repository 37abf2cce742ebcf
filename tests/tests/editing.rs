// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-helper edit-policy`: the file is replaced in one step by one that the service can use, or
//! it stays.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use xsk_tests::lab::{Cmd, HELPER, Lab, POLICY, SOON};

const SETTING: &str = "/etc/xsk-helper/editor";
const BEFORE: &str = "[[allow]]\nusers = [1]\ninterfaces = [\"a\"]\nlinger_seconds = 0\n";

/// `edit-policy` with an editor that is a script, to which the file is `$1`.
fn edit(lab: &Lab, name: &str, script: &str) -> Cmd {
    let editor = lab.script(name, &format!("#!/bin/sh\n{script}\n"));
    fs::write(SETTING, format!("{}\n", editor.display())).unwrap();
    lab.cmd(HELPER).arg("edit-policy")
}

fn lab_with_policy() -> Result<Lab, String> {
    let lab = Lab::new()?;
    lab.install_helper(0o4755);
    lab.policy(BEFORE);
    Ok(lab)
}

fn files(dir: &str) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Nothing is changed, and nothing is left.
fn stays() {
    assert_eq!(fs::read_to_string(POLICY).unwrap(), BEFORE);
    assert_eq!(files("/etc/xsk-helper"), ["editor", "policy.toml"]);
}

#[test]
fn what_was_edited_takes_the_place_with_owner_and_mode() {
    let lab = match lab_with_policy() {
        Ok(lab) => lab,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    let before = fs::metadata(POLICY).unwrap();
    fs::set_permissions(POLICY, fs::Permissions::from_mode(0o604)).unwrap();
    nix::unistd::chown(POLICY, None, Some(7.into())).unwrap();
    let said = edit(&lab, "more", r#"sed -i 's/"a"/"b"/' "$1""#).run(SOON).ok().stdout;
    assert!(said.contains("saved"), "{said}");
    assert_eq!(fs::read_to_string(POLICY).unwrap(), BEFORE.replace("\"a\"", "\"b\""));
    let after = fs::metadata(POLICY).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (0, 7, 0o604));
    assert_ne!(before.ino(), after.ino());
    assert_eq!(files("/etc/xsk-helper"), ["editor", "policy.toml"]);
}

#[test]
fn what_cannot_be_used_is_not_saved() {
    let lab = match lab_with_policy() {
        Ok(lab) => lab,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    let deny = "[[deny]]\\nusers = [\"nobody-at-all\"]\\ninterfaces = [\"*\"]\\n";
    for (name, script, error) in [
        ("wrong", "echo nonsense >\"$1\"".to_owned(), "policy.toml:1"),
        ("unknown", format!("printf '{deny}' >\"$1\""), "nobody-at-all"),
    ] {
        let done = edit(&lab, name, &script).run(SOON).exits(78);
        assert!(done.stdout.contains(error) && done.stdout.contains("(e)dit again"), "{done:?}");
        assert!(done.stderr.contains("nothing was changed"), "{done:?}");
        stays();
    }
    edit(&lab, "ends", "exit 3").run(SOON).exits(78).err_has("nothing was changed");
    stays();
    edit(&lab, "gone", "rm \"$1\"").run(SOON).exits(78).err_has("removed");
    stays();
    let said = edit(&lab, "idle", "true").run(SOON).ok().stdout;
    assert!(said.contains("unchanged"), "{said}");
    stays();
}

#[test]
fn one_edits_at_a_time_and_nobody_elses_change_is_lost() {
    let lab = match lab_with_policy() {
        Ok(lab) => lab,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    let go = lab.path("go");
    let wait = format!(
        "echo '# mine' >>\"$1\"; echo begun; while ! [ -e {} ]; do sleep 0.1; done",
        go.display()
    );
    let mut first = edit(&lab, "slow", &wait).start();
    first.says("begun", SOON);
    edit(&lab, "second", "true").run(SOON).exits(75).err_has("somebody else is editing");
    let other = format!("{BEFORE}# another's\n");
    fs::write(POLICY, &other).unwrap();
    fs::write(&go, "").unwrap();
    first.finish(SOON).exits(75).err_has("changed by somebody else meanwhile");
    assert_eq!(fs::read_to_string(POLICY).unwrap(), other);
}

#[test]
fn a_new_file_of_policy_d_and_no_other_file() {
    let lab = match lab_with_policy() {
        Ok(lab) => lab,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    fs::create_dir("/etc/xsk-helper/policy.d").unwrap();
    let write = format!("printf '%s' '{BEFORE}' >\"$1\"");
    edit(&lab, "new", &write).arg("10-a.toml").run(SOON).ok();
    assert_eq!(files("/etc/xsk-helper/policy.d"), ["10-a.toml"]);
    let found = fs::metadata("/etc/xsk-helper/policy.d/10-a.toml").unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (0, 0o644));
    edit(&lab, "other", "true")
        .arg("/etc/passwd")
        .run(SOON)
        .exits(78)
        .err_has("not a file of the policy");
}

#[test]
fn the_environment_names_an_editor_only_where_root_says_so() {
    let lab = match lab_with_policy() {
        Ok(lab) => lab,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    let evil = lab.script("evil", "#!/bin/sh\necho evil\n");
    edit(&lab, "idle", "echo usual").env("EDITOR", &evil).run(SOON).ok();
    let said = edit(&lab, "idle", "echo usual; env")
        .env("EDITOR", &evil)
        .env("TERM", "dumb")
        .run(SOON)
        .ok()
        .stdout;
    assert!(
        said.contains("usual") && said.contains("TERM=dumb") && !said.contains("EDITOR"),
        "{said}"
    );
    fs::write(SETTING, "environment\n").unwrap();
    let said = lab.cmd(HELPER).arg("edit-policy").env("EDITOR", &evil).run(SOON).ok().stdout;
    assert!(said.contains("evil"), "{said}");
    fs::set_permissions(SETTING, fs::Permissions::from_mode(0o666)).unwrap();
    lab.cmd(HELPER).arg("edit-policy").run(SOON).exits(78).err_has("does not belong to root alone");
}
