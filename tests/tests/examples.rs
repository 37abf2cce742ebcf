// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example of a document is tagged: `run`, `vm` or `hardware`. Those tagged `run` are run, as
//! an ordinary user, by `tests/scripts/examples-inside.sh`; all of them are parsed by the parsers
//! of the commands themselves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "examples/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, process};

use xsk_client::netdev::{Netdev, Place};
use xsk_tests::lab;

/// Documents in which no comment can stand, each with the tag of all its examples.
const WHOLE: [(&str, &str); 1] = [("packaging/debian/xsk-helper.README.Debian", "vm")];

/// What follows `example: ` in the line before the block.
const TAGS: [&str; 3] = ["run", "vm", "hardware"];

/// The first words of a line that make a block an example.
const COMMANDS: &[&str] = &[
    "xsk-client",
    "xsk-backend",
    "xsk-helper",
    "qemu-system-x86_64",
    "make",
    "sudo",
    "cargo",
    "ip",
    "ethtool",
    "tc",
    "ping",
    "systemctl",
    "journalctl",
    "adduser",
    "groupadd",
    "useradd",
    "chown",
    "chmod",
    "printf",
    "echo",
    "dpkg-statoverride",
    "tests/scripts",
];

struct Example {
    document: String,
    line: usize,
    tag: Option<String>,
    /// Without the indentation.
    text: String,
}

impl Example {
    fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }

    /// Its commands, each in one line, without comments.
    fn lines(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ").replace("|\n", "| ");
        joined.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents, by their paths in the tree.
fn documents() -> Vec<String> {
    const FIND: &str = ". -name target -prune -o -name .git -prune -o -type f ( -name *.md \
                        -o -name *.README.Debian -o -name *.[1-8] ) -printf %P\\n";
    let listed = Command::new("find").current_dir(root()).args(FIND.split_whitespace()).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let mut paths: Vec<String> = listed.lines().map(str::to_owned).collect();
    paths.sort();
    paths
}

/// `<!-- example: run -->` in Markdown, `.\" example: run` in a man page.
fn tag(line: &str) -> Option<String> {
    let line = line.trim();
    let rest =
        ["<!-- example: ", ".\\\" example: "].iter().find_map(|start| line.strip_prefix(start))?;
    Some(rest.trim_end_matches(" -->").to_owned())
}

fn is_example(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        let word = line.trim_start_matches("$ ").split([' ', '/']).next().unwrap_or_default();
        COMMANDS.contains(&word) || line.starts_with("tests/scripts/")
    })
}

/// The blocks of a document that have a command in them.
fn examples(document: &str) -> Vec<Example> {
    let text = read(document);
    let page = text.starts_with(".\\\"");
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let whole = WHOLE.iter().find(|(name, _)| *name == document).map(|(_, tag)| (*tag).to_owned());
    let mut last = None;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let (block, end) = match line {
            _ if line.starts_with("```") => until(&lines, at + 1, |line| line.starts_with("```")),
            ".EX" => until(&lines, at + 1, |line| line == ".EE"),
            _ if !page && line.starts_with("    ") => indented(&lines, at),
            _ => {
                if !line.is_empty() {
                    last = tag(line).or(last.filter(|_| line.starts_with(".PP")));
                }
                at += 1;
                continue;
            }
        };
        let other = line.strip_prefix("```").is_some_and(|kind| !["", "sh"].contains(&kind));
        let text = block.replace("\\-", "-").replace("\\e", "\\");
        if !other && is_example(&text) {
            found.push(Example {
                document: document.to_owned(),
                line: at + 1,
                tag: whole.clone().or(last.take()),
                text,
            });
        }
        last = None;
        at = end;
    }
    found
}

fn until(lines: &[&str], from: usize, ends: impl Fn(&str) -> bool) -> (String, usize) {
    let end = (from..lines.len()).find(|at| ends(lines[*at])).unwrap_or(lines.len());
    (lines[from..end].join("\n"), end + 1)
}

/// A block goes on over empty lines, as Markdown has it, but not over those at its end.
fn indented(lines: &[&str], from: usize) -> (String, usize) {
    let end =
        (from..lines.len()).find(|at| !lines[*at].is_empty() && !lines[*at].starts_with("    "));
    let end = end.unwrap_or(lines.len());
    let text: Vec<&str> =
        lines[from..end].iter().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    (text.join("\n").trim_end().to_owned(), end)
}

fn all() -> Vec<Example> {
    documents().iter().flat_map(|document| examples(document)).collect()
}

#[test]
fn every_example_is_tagged() {
    let all = all();
    assert!(all.len() > 30, "{}", all.len());
    for example in &all {
        let known = example.tag.as_deref().is_some_and(|tag| TAGS.contains(&tag));
        assert!(
            known,
            "{}: the tag is {:?}, of {TAGS:?}:\n{}",
            example.place(),
            example.tag,
            example.text
        );
    }
}

#[test]
fn every_example_can_be_parsed() {
    let goals = goals();
    let mut parsed = 0;
    for example in all() {
        for line in example.lines() {
            for command in words::commands(&line) {
                parsed += parse(&command, &goals).unwrap_or_else(|error| {
                    panic!("{}: {line}\n{error}", example.place());
                });
            }
        }
    }
    assert!(parsed > 40, "{parsed}");
}

/// The examples of `--help`, and so of the man pages that are made of it.
#[test]
fn every_example_of_a_help_can_be_parsed() {
    let mut parsed = 0;
    for program in xsk_pages::programs() {
        let subcommands = program.command.get_subcommands().cloned().collect::<Vec<_>>();
        for command in std::iter::once(program.command).chain(subcommands) {
            let Some(text) = command.get_after_help().or(command.get_after_long_help()) else {
                continue;
            };
            let text = text.to_string();
            for line in
                text.lines().filter(|line| line.starts_with("  ") && is_example(line.trim()))
            {
                for command in words::commands(line) {
                    parsed += parse(&command, &BTreeSet::new())
                        .unwrap_or_else(|error| panic!("{line}\n{error}"));
                }
            }
        }
    }
    assert!(parsed > 10, "{parsed}");
}

/// What `make` can be asked for.
fn goals() -> BTreeSet<String> {
    let text = read("Makefile");
    let own = text.lines().filter_map(|line| line.split_once(':')).map(|(goal, _)| goal.to_owned());
    let scripts = text.lines().find_map(|line| line.strip_prefix("GOALS := ")).unwrap();
    own.chain(scripts.split_whitespace().map(str::to_owned)).collect()
}

#[test]
fn make_help_names_every_goal() {
    let done = Command::new("make").arg("help").current_dir(root()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for goal in ["check", "demo", "install", "package-vm"] {
        assert!(
            said.lines().any(|line| line.starts_with(goal) && line.len() > 30),
            "{goal}: {said}"
        );
    }
}

/// Gives a command of ours to its own parser; the number of those that were parsed.
fn parse(command: &[String], goals: &BTreeSet<String>) -> Result<usize, String> {
    let name = Path::new(&command[0]).file_name().unwrap().to_string_lossy().into_owned();
    if name == "make" {
        let asked =
            command[1..].iter().filter(|word| !word.contains('=') && !word.starts_with('-'));
        let unknown: Vec<_> =
            asked.filter(|goal| !goals.is_empty() && !goals.contains(*goal)).collect();
        return if unknown.is_empty() {
            Ok(1)
        } else {
            Err(format!("make has no goal {unknown:?}"))
        };
    }
    netdevs(command)?;
    let Some(program) = xsk_pages::programs().into_iter().find(|p| p.command.get_name() == name)
    else {
        return Ok(0);
    };
    if command.len() == 1 {
        return Ok(1);
    }
    program.command.try_get_matches_from(command).map(|_| 1).map_err(|error| error.to_string())
}

/// The netdevs of QEMU and of ours, which have a grammar of their own.
fn netdevs(command: &[String]) -> Result<(), String> {
    for word in command.iter().filter(|word| word.starts_with("af-xdp,")) {
        let given = word.contains("sock-fds=");
        let place = if word.contains("id=") { Place::Netdev } else { Place::Backend };
        let netdev =
            Netdev::parse(OsStr::new(word), place).map_err(|error| format!("{word}: {error}"))?;
        if netdev.is_none() && !given {
            return Err(format!("{word} is no af-xdp netdev"));
        }
    }
    Ok(())
}

/// The programs under test, laid out for `make install`.
fn built(folder: &Path) -> Result<PathBuf, String> {
    lab::release_tree(folder, |name, path| {
        fs::copy(lab::built_program(name)?, path).map_err(|error| error.to_string()).map(drop)
    })
}

/// Runs these examples of a document, one after the other, in a box of their own.
fn run(setup: &str, document: &str, examples: &[Example]) -> Result<(), String> {
    let name = format!("examples-{}-{}", document.replace('/', "-"), process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    built(&folder.join("built"))?;
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount",
        "--propagation",
        "private",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
    ]);
    unshare.arg("--mount-proc").arg(root().join("tests/scripts/examples-inside.sh"));
    unshare.arg(root()).arg(folder.join("built")).arg(setup);
    for (number, example) in examples.iter().enumerate() {
        let file = folder.join(format!("{number:02}-line-{}", example.line));
        fs::write(&file, &example.text).unwrap();
        unshare.arg(file);
    }
    let done = unshare.output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    fs::remove_dir_all(&folder).unwrap();
    assert!(done.status.success() && said.contains("every example ran"), "{document}:\n{said}");
    Ok(())
}

#[test]
fn the_examples_tagged_run_do_run() {
    if !nix::unistd::geteuid().is_root() {
        return lab::say_skipped("this needs root, for namespaces");
    }
    let mut ran = 0;
    for document in documents() {
        let mut examples = examples(&document);
        examples.retain(|example| example.tag.as_deref() == Some("run"));
        if examples.is_empty() {
            continue;
        }
        let setup = if document == "README.md" { "bare" } else { "installed" };
        if let Err(why) = run(setup, &document, &examples) {
            return lab::say_skipped(&why);
        }
        ran += examples.len();
    }
    assert!(ran > 5, "{ran}");
}
