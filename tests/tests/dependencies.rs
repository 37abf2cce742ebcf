// SPDX-License-Identifier: MIT OR Apache-2.0
//! No crate comes into the tree, or into the privileged helper, that `docs/dependencies.md` does
//! not have a reason for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The crates in the first column of the tables of a text.
fn listed(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    rows.flat_map(|names| names.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect()
}

fn is_ours(name: &str) -> bool {
    name.starts_with("xsk-")
}

#[test]
fn every_crate_of_the_lock_file_has_its_reason() {
    let lock = read("Cargo.lock");
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let locked: BTreeSet<String> = names.filter(|name| !is_ours(name)).map(str::to_owned).collect();
    assert_eq!(listed(&read("docs/dependencies.md")), locked);
}

#[test]
fn the_privileged_helper_is_built_from_what_its_section_has() {
    let document = read("docs/dependencies.md");
    let section =
        document.split("\n## ").find(|part| part.starts_with("The privileged helper")).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let options =
        ["tree", "--locked", "--offline", "-p", "xsk-helper", "-e", "normal", "--prefix", "none"];
    let tree = Command::new(cargo).args(options).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let built: BTreeSet<String> = names.filter(|name| !is_ours(name)).map(str::to_owned).collect();
    assert_eq!(listed(section), built);
}
