// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process of a lease as a person knows it: its command, and the name of its virtual machine.
//! Read from /proc when it is shown. It is text of the process's own user and decides nothing.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::MetadataExt;

/// How much of a word is shown.
const SHOWN: usize = 32;

/// What is known of a process; empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// The program, without its folder.
    pub(super) command: String,
    /// QEMU's `-name`.
    pub(super) name: String,
}

/// Reads it. The process of another user has got the number of one that is gone.
pub(super) fn of(pid: u32, uid: u32) -> Process {
    let folder = format!("/proc/{pid}");
    let is_theirs = fs::metadata(&folder).is_ok_and(|found| found.uid() == uid);
    let line = if is_theirs {
        fs::read(format!("{folder}/cmdline")).unwrap_or_default()
    } else {
        Vec::new()
    };
    parse(&line)
}

fn parse(line: &[u8]) -> Process {
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let command = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
    let is_name = |word: &&String| *word == "-name" || *word == "--name";
    let given = words.iter().position(|word| is_name(&word)).and_then(|at| words.get(at + 1));
    Process {
        command: shown(command),
        name: given.map(|text| shown(&guest(text))).unwrap_or_default(),
    }
}

/// QEMU's `-name`: `NAME[,…]` or `guest=NAME[,…]`, a comma in the name doubled.
fn guest(text: &str) -> String {
    let first = text.replace(",,", "\0");
    let mut options = first.split(',');
    let plain = options.clone().next().filter(|option| !option.contains('='));
    let name = options.find_map(|option| option.strip_prefix("guest="));
    name.or(plain).unwrap_or_default().replace('\0', ",")
}

/// The beginning, in one cell of a table, and nothing that a terminal would obey.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(SHOWN).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_words(words: &[&str]) -> (String, String) {
        let process =
            parse(words.iter().map(|word| format!("{word}\0")).collect::<String>().as_bytes());
        (process.command, process.name)
    }

    #[test]
    fn the_name_of_a_guest_is_what_qemu_takes_for_it() {
        for (option, name) in [
            ("web", "web"),
            ("guest=web,debug-threads=on", "web"),
            ("debug-threads=on,guest=web", "web"),
            ("a,,b,process=x", "a,b"),
            ("debug-threads=on", ""),
            ("\u{1b}[2J\n", "?[2J?"),
        ] {
            let expected = ("qemu-system-x86_64".to_owned(), name.to_owned());
            assert_eq!(
                of_words(&["/usr/bin/qemu-system-x86_64", "-name", option]),
                expected,
                "{option:?}"
            );
        }
    }

    #[test]
    fn what_has_no_name_or_is_gone_is_empty() {
        assert_eq!(of_words(&["./script", "-name"]), ("script".to_owned(), String::new()));
        assert_eq!(parse(b""), Process::default());
        assert_eq!(of(0, 0), Process::default());
    }
}
