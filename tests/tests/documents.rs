// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents against the code: names of tests, links, options, and the policy that is installed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
    let folders =
        ["", "docs", "proto", "helper", "client", "cli", "backend", "socket", "bpf", "netlink", "packaging"];
    folders.iter().flat_map(|folder| files(folder, "md")).collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests: String = files("tests/tests", "rs").iter().map(|path| read(path)).collect();
    let text = read(&root().join("docs/cves.md"));
    let names: Vec<&str> =
        text.split('`').filter(|word| word.starts_with('h') && word.contains('_')).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.into_iter().filter(|name| !name.contains(['/', '.', '*'])) {
        assert!(tests.contains(&format!("fn {name}(")), "docs/cves.md names the test {name}");
    }
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for document in documents() {
        for target in read(&document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
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
    for option in
        run.get_arguments().filter_map(|argument| argument.get_long()).filter(|name| *name != "help")
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
        (bare.shared, bare.promisc, bare.busy_poll, bare.memlock),
        (full.shared, full.promisc, full.busy_poll, full.memlock)
    );
}
