// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header and the list of symbols against the source.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn header() -> String {
    std::fs::read_to_string(here("include/xskclient.h")).unwrap()
}

#[test]
fn the_header_is_what_the_source_says() {
    let config = cbindgen::Config::from_file(here("cbindgen.toml")).unwrap();
    let bindings = cbindgen::generate_with_config(here(""), config).unwrap();
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("xskclient.h");
    bindings.write_to_file(&fresh);
    let same = std::fs::read_to_string(&fresh).unwrap() == header();
    assert!(same, "the source has changed: cp {} capi/include/xskclient.h", fresh.display());
}

/// The names that a text mentions, of the library's form, before an opening parenthesis.
fn functions(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('*')) {
        for (at, _) in line.match_indices("xskclient_") {
            let name: String =
                line[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if line[at + name.len()..].starts_with('(') {
                found.insert(name);
            }
        }
    }
    found
}

/// A symbol that goes, or changes its meaning, needs another soname (`build.rs`).
#[test]
fn the_symbols_are_those_of_the_list() {
    let list = std::fs::read_to_string(here("tests/symbols.txt")).unwrap();
    let listed: BTreeSet<String> = list.lines().map(str::to_owned).collect();
    assert!(listed.len() > 60);
    assert_eq!(functions(&header()), listed);
}
