// SPDX-License-Identifier: MIT OR Apache-2.0
//! The direction of calls: the table in `src/lib.rs` names the layers, and no module uses one of
//! its own layer or above.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layers from the top to the bottom, as the documentation of the library has them.
fn layers() -> Vec<Vec<String>> {
    let text = read_to_string(src().join("lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let first = rows.map(|row| row.split(" | ").next().unwrap().to_owned());
    first
        .map(|cell| {
            cell.split("[`").map(|name| name.split('`').next().unwrap().to_owned()).collect()
        })
        .collect()
}

/// The files of a module.
fn files(module: &str) -> Vec<PathBuf> {
    fn below(folder: &Path) -> Vec<PathBuf> {
        let entries = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
    }
    let file = src().join(format!("{module}.rs"));
    below(&src().join(module)).into_iter().chain(file.is_file().then_some(file)).collect()
}

/// The modules that a text names after `crate::`, alone or in braces. Comments are left out.
fn used(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(names.insert(word(rest))),
            Some(group) => names.extend(in_braces(group)),
        }
    }
    names
}

/// The first words of what stands between two braces, those of inner braces left out.
fn in_braces(group: &str) -> Vec<String> {
    let (mut depth, mut parts) = (1, vec![String::new()]);
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => parts.push(String::new()),
            other if depth == 1 => parts.last_mut().unwrap().push(other),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    parts.iter().map(|part| word(part.trim())).filter(|name| !name.is_empty()).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// What is wrong with a module of the layer `at`, one sentence each.
fn faults(layers: &[Vec<String>], at: usize, module: &str, text: &str) -> Vec<String> {
    let layer =
        |name: &str| layers.iter().position(|names| names.iter().any(|known| known == name));
    let above = |name: &String| name != module && layer(name).is_some_and(|layer| layer <= at);
    used(text)
        .iter()
        .filter(|name| above(name))
        .map(|name| format!("{module} uses {name}"))
        .collect()
}

#[test]
fn every_module_uses_only_those_of_the_layers_below() {
    let layers = layers();
    assert!(layers.len() > 5, "{layers:?}");
    let mut found = Vec::new();
    for (at, module) in
        layers.iter().enumerate().flat_map(|(at, names)| names.iter().map(move |n| (at, n)))
    {
        assert!(!files(module).is_empty(), "src/lib.rs names {module}, which is no module");
        for file in files(module) {
            found.extend(faults(&layers, at, module, &read_to_string(file).unwrap()));
        }
    }
    assert!(found.is_empty(), "against the layers of src/lib.rs: {found:?}");
}

#[test]
fn every_module_has_a_layer() {
    let layers = layers().concat();
    let text = read_to_string(src().join("lib.rs")).unwrap();
    let declared =
        text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    let missing: Vec<_> = declared
        .map(|name| name.trim_end_matches(';'))
        .filter(|n| !layers.contains(&(*n).to_owned()))
        .collect();
    assert!(missing.is_empty(), "src/lib.rs has no layer for {missing:?}");
}

#[test]
fn an_arrow_that_runs_up_or_aside_is_found() {
    let layers = vec![vec!["top".to_owned(), "beside".to_owned()], vec!["low".to_owned()]];
    let uses = |at, module, text| faults(&layers, at, module, text);
    assert_eq!(uses(1, "low", "use crate::top::x;"), ["low uses top"]);
    assert_eq!(uses(0, "top", "use crate::{low, beside::{low, x}};"), ["top uses beside"]);
    assert_eq!(uses(1, "low", "fn f() { crate::beside::g() }"), ["low uses beside"]);
    assert!(uses(0, "top", "use crate::low::y;\n//! crate::beside\nuse crate::top::z;").is_empty());
}
