// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents against the code: names of tests, links, options, and the policy that is
//! installed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use xsk_helper::policy::rule::Confine;
use xsk_helper::policy::{Limits, Policy, Rule};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder with this extension.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = root().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

fn documents() -> Vec<PathBuf> {
    let folders = [
        "",
        "docs",
        "proto",
        "helper",
        "client",
        "cli",
        "backend",
        "socket",
        "bpf",
        "netlink",
        "packaging",
        "python",
        "go",
        "capi",
    ];
    folders.iter().flat_map(|folder| files(folder, "md")).collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = tests_below(&["tests/tests"]);
    let text = read(&root().join("docs/cves.md"));
    let names: Vec<&str> =
        text.split('`').filter(|word| word.starts_with('h') && word.contains('_')).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.into_iter().filter(|name| !name.contains(['/', '.', '*'])) {
        assert!(tests.contains(name), "docs/cves.md names the test {name}");
    }
}

/// A source file is named from the root of the tree, or from the document's folder.
#[test]
fn every_source_file_that_a_document_names_exists() {
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let words = text.split('`').filter(|word| !word.contains(char::is_whitespace));
        let paths =
            words.filter(|word| word.contains('/') && word.ends_with(".rs") && !word.contains('*'));
        for path in paths {
            let places = [root().join(path), document.parent().unwrap().join(path)];
            let found = places.iter().any(|place| place.is_file());
            assert!(found, "{} names {path}, which is not there", document.display());
            count += 1;
        }
    }
    assert!(count > 20, "only {count} source files are named");
}

/// Every file of Rust below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The names of all functions below these folders that are marked as tests.
fn tests_below(folders: &[&str]) -> BTreeSet<String> {
    let all = folders.iter().flat_map(|folder| sources(&root().join(folder)));
    let mut names = BTreeSet::new();
    for text in all.map(|path| read(&path)) {
        for marked in text.split("#[test]").skip(1) {
            let name = marked.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

/// The lines of docs/hostile.md: the number, and the tests.
fn hostile_lines() -> Vec<(u32, Vec<String>)> {
    let text = read(&root().join("docs/hostile.md"));
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    let cells = rows.map(|row| row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>());
    let numbered = cells.filter_map(|cells| Some((cells[0].parse().ok()?, cells)));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    numbered.map(|(number, cells)| (number, names(cells.last().unwrap()))).collect()
}

#[test]
fn every_line_of_the_hostile_list_has_its_tests_and_every_such_test_its_line() {
    let lines = hostile_lines();
    assert!(lines.len() > 30 && lines.is_sorted_by_key(|(number, _)| *number), "{lines:?}");
    let there =
        tests_below(&["tests/tests", "helper/src", "cli/tests", "client/tests", "backend/src"]);
    for (number, names) in &lines {
        assert!(!names.is_empty(), "docs/hostile.md: line {number} has no test");
        let missing: Vec<_> = names.iter().filter(|name| !there.contains(*name)).collect();
        assert!(missing.is_empty(), "docs/hostile.md: line {number} names {missing:?}");
    }
    let number = |name: &str| name.strip_prefix('h')?.split_once('_')?.0.parse::<u32>().ok();
    for test in &there {
        let Some(number) = number(test) else { continue };
        let listed = lines.iter().any(|(line, names)| *line == number && names.contains(test));
        assert!(listed, "docs/hostile.md: line {number} lacks the test {test}");
    }
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for document in documents() {
        for target in read(&document).split("](").skip(1).filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                let path = document.parent().unwrap().join(file);
                assert!(path.exists(), "{} has a link to {target}", document.display());
            }
        }
    }
}

#[test]
fn every_option_of_run_is_in_the_document() {
    let text = read(&root().join("docs/qemu.md"));
    let command = xsk_cli::Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for option in run
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .filter(|name| *name != "help")
    {
        assert!(text.contains(&format!("--{option}")), "docs/qemu.md lacks --{option}");
    }
}

fn policy(text: &str) -> Policy {
    let mut policy = Policy::default();
    policy.add("policy.toml", text).unwrap();
    policy
}

#[test]
fn the_installed_policy_allows_nothing() {
    let policy = policy(&read(&root().join("packaging/policy.toml")));
    assert!(policy.allow.is_empty() && policy.deny.is_empty());
    assert_eq!(policy.limits, Limits::default());
}

/// A line of TOML in a comment begins right after the `#`, prose after a space.
#[test]
fn the_examples_in_the_installed_policy_are_valid_and_show_the_defaults() {
    let text = read(&root().join("packaging/policy.toml"));
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.starts_with(' ') => example,
        _ => line,
    });
    let policy = policy(&lines.collect::<Vec<_>>().join("\n"));
    assert_eq!((policy.allow.len(), policy.deny.len()), (2, 1));
    assert_eq!(policy.limits, Limits::default());
    let [bare, full] = &policy.allow[..] else { panic!("two rules") };
    assert_eq!((full.max_queues, full.max_leases), (Rule::MAX_QUEUES, Rule::MAX_LEASES));
    assert_eq!((bare.confine, full.confine), (Confine::Device, Confine::Device));
    assert_eq!((&bare.modes, bare.linger), (&full.modes, full.linger));
    assert_eq!(
        (bare.shared, bare.promisc, bare.allmulti, bare.busy_poll, bare.memlock),
        (full.shared, full.promisc, full.allmulti, full.busy_poll, full.memlock)
    );
}
