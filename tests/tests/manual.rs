// SPDX-License-Identifier: MIT OR Apache-2.0
//! Help, man pages and docs say the same: options, exit statuses, paths, keys of the policy.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Command;
use xsk_client::Kind;
use xsk_client::proto::Code;
use xsk_pages::Program;

const DOCUMENTS: &[&str] = &[
    "README.md",
    "docs/qemu.md",
    "docs/operations.md",
    "docs/lifecycle.md",
    "docs/nics.md",
    "docs/threat-model.md",
    "helper/README.md",
    "cli/README.md",
    "client/README.md",
    "backend/README.md",
    "packaging/README.md",
    "packaging/policy.toml",
    "packaging/debian/xsk-helper.README.Debian",
    "packaging/man/xsk-policy.toml.5",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn programs() -> [(Program, Command); 3] {
    xsk_pages::programs().map(|program| {
        let mut command = program.command.clone();
        command.build();
        (program, command)
    })
}

/// The man page as text.
fn page(program: &Program) -> String {
    let page = String::from_utf8(program.page().unwrap()).unwrap();
    page.replace("\\-", "-")
        .replace("\\fB", "")
        .replace("\\fI", "")
        .replace("\\fR", "")
        .replace("\\(aq", "'")
}

/// The section of a man page.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("\n.SH \"{name}\"\n"))
        .or(page.split_once(&format!("\n.SH {name}\n")))
        .unwrap();
    rest.split("\n.SH").next().unwrap()
}

/// A command and its subcommands, without `help`.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let subcommands = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    std::iter::once(command).chain(subcommands).collect()
}

fn options(command: &Command) -> BTreeSet<String> {
    command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .map(|name| format!("--{name}"))
        .collect()
}

#[test]
fn every_option_is_in_the_help_and_on_the_page() {
    for (program, command) in programs() {
        let page = page(&program);
        for sub in with_subcommands(&command) {
            let help = sub.clone().render_long_help().to_string();
            for option in options(sub) {
                let name = sub.get_name();
                assert!(help.contains(&option), "{name} --help lacks {option}");
                assert!(
                    page.contains(&option),
                    "the page of {} lacks {option} of {name}",
                    command.get_name()
                );
            }
        }
    }
}

/// What bash offers for a word that begins with `--`.
fn completed(script: &str, words: &[&str]) -> BTreeSet<String> {
    let last = words.len();
    let line = format!(
        "{script}\nCOMP_WORDS=({} --); COMP_CWORD={last}; _{} {} -- {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words[0].replace('-', "__"),
        words[0],
        words[last - 1]
    );
    let done = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_every_option() {
    for (program, command) in programs() {
        let files = program.files().unwrap();
        let (_, script) =
            files.iter().find(|(path, _)| path.starts_with("bash-completion")).unwrap();
        let script = String::from_utf8(script.clone()).unwrap();
        let name = command.get_name();
        assert_eq!(completed(&script, &[name]), options(&command), "{name}");
        for sub in with_subcommands(&command).into_iter().skip(1) {
            let words = [name, sub.get_name()];
            assert_eq!(completed(&script, &words), options(sub), "{words:?}");
        }
    }
}

/// What bash offers for the last of these words, with the values that no definition lists.
fn offered(words: &[&str]) -> BTreeSet<String> {
    let files = programs().map(|(program, _)| program.files().unwrap());
    let of = |(path, _): &&(String, Vec<u8>)| path.ends_with(&format!("completions/{}", words[0]));
    let (_, script) = files.iter().flatten().find(of).unwrap();
    let script = String::from_utf8(script.clone()).unwrap();
    let quoted = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let line = format!(
        "{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={}; COMP_LINE='{}'; _{}_values {}; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.len() - 1,
        words.join(" "),
        words[0].replace('-', "__"),
        words[0],
    );
    let done = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_interfaces_ids_and_the_command() {
    let lo = "lo".to_owned();
    for words in [
        &["xsk-client", "doctor", ""][..],
        &["xsk-helper", "revoke", "l"],
        &["xsk-helper", "check-policy", "--as", "root", "l"],
        &["xsk-client", "run", "--acquire", "af-xdp,ifname", "=", "l"],
        &["xsk-backend", "--netdev", "af-xdp,queues=2,ifname", "="],
    ] {
        assert!(offered(words).contains(&lo), "{words:?}: {:?}", offered(words));
    }
    assert!(offered(&["xsk-helper", "check-policy", "--as", "ro"]).contains("root"));
    let ids =
        ["xsk-client", "run", "--acquire", "af-xdp,id=left,ifname=eth1", "--promisc", "=", "l"];
    assert_eq!(offered(&ids), BTreeSet::from(["left".to_owned()]));
    assert!(offered(&["xsk-client", "run", "--", "ba"]).contains("bash"));
    assert!(offered(&["xsk-client", "run", "--", "ls", "/et"]).contains("/etc"));
}

#[test]
fn every_option_is_in_a_document() {
    for (_, command) in programs() {
        let documents = match command.get_name() {
            "xsk-helper" => ["helper/README.md", "docs/operations.md"],
            "xsk-client" => ["docs/qemu.md", "docs/operations.md"],
            _ => ["backend/README.md", "cli/README.md"],
        };
        let text = documents.map(read).concat();
        for sub in with_subcommands(&command) {
            for option in
                options(sub).into_iter().filter(|o| !["--help", "--version"].contains(&o.as_str()))
            {
                assert!(
                    text.contains(&option),
                    "{documents:?} lack {option} of {}",
                    sub.get_name()
                );
            }
        }
    }
}

/// What stands in code of a document: indented lines, fenced ones, and words between backticks.
fn code(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") || line.starts_with("#     ") {
            found.push(line);
        } else {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The arguments of a program where a line starts it, up to a command of its own or the end of
/// ours.
fn arguments<'a>(line: &'a str, program: &str) -> Vec<&'a str> {
    let Some((before, rest)) = line.split_once(&format!("{program} ")) else { return vec![] };
    // Not a part of another word, nor a package of cargo's.
    if before.ends_with("-p ")
        || before.ends_with(|c: char| c.is_alphanumeric() || "-_/\"".contains(c))
            && !before.ends_with("libexec/")
    {
        return vec![];
    }
    let words = rest.split_whitespace();
    words.take_while(|word| !["--", "#", "|", "&&", "&", ";", "…"].contains(word)).collect()
}

/// A word as an option, without brackets around it and the value behind it.
fn option(word: &str) -> Option<&str> {
    let word = word.trim_start_matches('[').trim_end_matches([']', ',', '.', ')', '…']);
    word.starts_with("--").then(|| word.split(['=', '[', '`']).next().unwrap())
}

#[test]
fn every_command_line_of_a_document_can_be_parsed() {
    let mut lines = 0;
    for document in DOCUMENTS {
        let text = read(document);
        for line in code(&text) {
            for (_, command) in programs() {
                let words = arguments(line, command.get_name());
                let named = words.iter().find(|word| !word.starts_with(['-', '[']));
                let sub = named.and_then(|word| command.find_subcommand(word));
                let known = options(sub.unwrap_or(&command));
                for option in words.iter().filter_map(|word| option(word)) {
                    assert!(known.contains(option), "{document}: {line}: no option {option}");
                    lines += 1;
                }
            }
        }
    }
    assert!(lines > 20, "{lines}");
}

/// Numbers that stand alone, of one to three digits.
fn numbers(text: &str) -> BTreeSet<u8> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '('));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The row of the table of exit statuses in docs/operations.md.
fn row(name: &str) -> BTreeSet<u8> {
    let text = read("docs/operations.md");
    let (_, table) = text.split_once("## Exit status").unwrap();
    let line = table.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
    numbers(line)
}

fn exit_section(program: &Program) -> BTreeSet<u8> {
    numbers(section(&page(program), "EXIT STATUS"))
}

#[test]
fn exit_statuses_are_the_same_everywhere() {
    let [helper, client, backend] = xsk_pages::programs();
    assert_eq!(exit_section(&helper), row("`xsk-helper`"));
    assert_eq!(exit_section(&backend), row("`xsk-backend`"));
    let run = row("`xsk-client run`");
    let others = row("`xsk-client` otherwise");
    assert_eq!(exit_section(&client), &run | &others);
    assert_eq!(run, BTreeSet::from([125, 126, 127]));
    let kinds = Code::ALL.into_iter().map(Kind::Refused).chain([
        Kind::Usage,
        Kind::Unreachable,
        Kind::NotInstalled,
        Kind::Memlock,
        Kind::Qmp,
        Kind::System,
    ]);
    let real: BTreeSet<u8> = kinds.map(|kind| kind.exit_code()).chain([0]).collect();
    assert_eq!(others, real);
    let real = &real | &BTreeSet::from([xsk_backend::OTHER]);
    assert_eq!(row("`xsk-backend`"), real);
}

/// Paths of ours in a text.
fn paths(text: &str) -> BTreeSet<String> {
    let ends = |c: char| !(c.is_alphanumeric() || "/-_.*@".contains(c));
    let words = text.split(ends).map(|word| word.trim_end_matches(['.', '/']));
    let ours = |word: &&str| {
        ["/etc/", "/run/", "/usr/"].iter().any(|start| word.starts_with(start))
            && word.contains("xsk-helper")
    };
    words.filter(ours).map(str::to_owned).collect()
}

/// Files and folders that documents may name: what the Makefile installs, the units and tmpfiles.d
/// make, and what the administrator may add.
fn real_paths() -> BTreeSet<String> {
    let mut real = paths(&read("packaging/tmpfiles.d/xsk-helper.conf"));
    for unit in root().join("packaging/systemd").read_dir().unwrap() {
        real.extend(paths(&std::fs::read_to_string(unit.unwrap().path()).unwrap()));
    }
    real.extend(paths(&read("Makefile").replace("$(DESTDIR)", " ").replace("$(prefix)", " /usr")));
    real.extend(paths(
        &read("packaging/apparmor.d/usr.libexec.xsk-helper")
            .replace("<local/", " /etc/apparmor.d/local/"),
    ));
    real.insert("/etc/xsk-helper".to_owned());
    real.insert("/etc/xsk-helper/policy.d/*.toml".to_owned());
    real.insert("/etc/xsk-helper/editor".to_owned());
    real
}

#[test]
fn every_path_that_a_document_names_is_one_of_ours() {
    let real = real_paths();
    let known = |path: &str| {
        let below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let files = ["/etc/xsk-helper/policy.d", "/run/xsk-helper/leases", "/run/xsk-helper/bpf"];
        real.contains(path) || files.into_iter().any(below)
    };
    let pages = xsk_pages::programs()
        .map(|program| (program.command.get_name().to_owned(), page(&program)));
    let documents =
        DOCUMENTS.iter().map(|name| ((*name).to_owned(), read(name).replace("\\-", "-")));
    for (name, text) in pages.into_iter().chain(documents) {
        for path in paths(&text) {
            assert!(known(&path), "{name} names {path}; there are {real:?}");
        }
    }
}

#[test]
fn the_paths_of_the_pages_are_in_the_document() {
    let document = paths(&read("docs/operations.md"));
    for program in xsk_pages::programs() {
        for path in
            paths(section(&page(&program), "FILES")).into_iter().filter(|path| !path.contains('*'))
        {
            let name = program.command.get_name();
            assert!(document.contains(&path), "docs/operations.md lacks {path} of {name}");
        }
    }
}

#[test]
fn every_key_of_the_policy_is_in_its_page_and_in_the_document() {
    let (page, document) = (read("packaging/man/xsk-policy.toml.5"), read("docs/operations.md"));
    let policy = read("packaging/policy.toml");
    let lines = policy
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' '));
    let keys: BTreeSet<&str> =
        lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
    assert!(keys.len() > 12, "{keys:?}");
    for key in keys {
        assert!(
            page.contains(&format!("\\fB{key}\\fR")) || page.contains(&format!(".BR {key} ")),
            "{key}: page"
        );
        assert!(document.contains(&format!("`{key}`")), "{key}: docs/operations.md");
    }
}
