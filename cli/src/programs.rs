// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs in a command: the one that is run first, the wrappers that become the next one, and
//! the one that gets the sockets. No program is run to find that out.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::sys::process;

/// Programs that start the command behind them with the descriptors that they were given.
#[rustfmt::skip]
const WRAPPERS: &[&str] = &[
    "cgexec", "chroot", "chrt", "env", "faketime", "gdb", "ionice", "ltrace", "nice", "nohup", "nsenter", "numactl",
    "perf", "prlimit", "runcon", "setarch", "setpriv", "setsid", "stdbuf", "strace", "taskset", "time", "timeout",
    "unshare", "valgrind",
];

/// The programs in a command.
#[derive(Debug)]
pub(crate) struct Programs {
    /// What is run first.
    pub(crate) first: PathBuf,
    /// The program that gets the sockets, as far as it is known.
    pub(crate) consumer: Consumer,
    /// A program on the way to it that passes no descriptors on.
    pub(crate) closer: Option<String>,
}

/// The program that gets the sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consumer {
    /// A QEMU.
    Qemu(PathBuf),
    /// Our own backend.
    Backend(PathBuf),
    /// A program that is not known.
    Other(PathBuf),
}

impl Programs {
    /// Finds the programs of `command`; the error is about the first one.
    pub(crate) fn find(command: &[OsString]) -> Result<Self, (OsString, io::Error)> {
        let name = command.first().cloned().unwrap_or_default();
        let first = resolve(&name).map_err(|error| (name, error))?;
        let chain = chain(command, &first);
        let closer =
            chain.iter().find_map(|(at, _)| closes(command.get(*at..).unwrap_or_default()));
        let last = chain.into_iter().next_back().map_or_else(|| first.clone(), |(_, path)| path);
        Ok(Self { first, consumer: consumer(command, last), closer })
    }
}

impl Consumer {
    /// The program's file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Consumer::Qemu(path) | Consumer::Backend(path) | Consumer::Other(path) => path,
        }
    }

    /// The QEMU, where it is one.
    pub(crate) fn qemu(&self) -> Option<&Path> {
        match self {
            Consumer::Qemu(path) => Some(path),
            _ => None,
        }
    }
}

/// The first program and those that wrappers become, each with its place in the command.
fn chain(command: &[OsString], first: &Path) -> Vec<(usize, PathBuf)> {
    let mut chain = vec![(0, first.to_owned())];
    while let Some(next) = chain.last().and_then(|(at, path)| next(command, *at, path)) {
        chain.push(next);
    }
    chain
}

/// What a wrapper becomes. Its own options are not read: the next program is the first word that
/// can be one.
fn next(command: &[OsString], at: usize, wrapper: &Path) -> Option<(usize, PathBuf)> {
    let is_wrapper = WRAPPERS.iter().any(|known| name(wrapper.as_os_str()) == known.as_bytes());
    let rest = command.iter().enumerate().skip(at + 1).filter(|_| is_wrapper);
    let mut programs = rest.filter(|(_, word)| !is_argument(word));
    programs.find_map(|(at, word)| Some((at, resolve(word).ok()?)))
}

/// An option or an assignment of env(1).
fn is_argument(word: &OsStr) -> bool {
    word.as_bytes().starts_with(b"-") || word.as_bytes().contains(&b'=')
}

/// What the last program of the chain is. A QEMU is looked for in the whole command too, since a
/// wrapper that is not known may be before it.
fn consumer(command: &[OsString], last: PathBuf) -> Consumer {
    if is_backend(&last) {
        return Consumer::Backend(last);
    }
    let by_name = || command.iter().find(|word| is_qemu(word)).and_then(|word| resolve(word).ok());
    if is_qemu(last.as_os_str()) || is_qemu_file(&last) {
        return Consumer::Qemu(last);
    }
    by_name().map_or(Consumer::Other(last), Consumer::Qemu)
}

fn name(word: &OsStr) -> &[u8] {
    Path::new(word).file_name().unwrap_or_default().as_bytes()
}

/// Whether a word names a QEMU system emulator.
pub(crate) fn is_qemu(word: &OsStr) -> bool {
    name(word).starts_with(b"qemu-system-") || [&b"qemu-kvm"[..], b"kvm"].contains(&name(word))
}

/// Whether a file is a QEMU by another name: a link to one, or a program that has QEMU's words in
/// it.
fn is_qemu_file(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|real| is_qemu(real.as_os_str()))
        || File::open(path).is_ok_and(|file| has_words_of_qemu(file).unwrap_or(false))
}

/// What `--version` prints (system/vl.c), before a number.
const WORDS: &[u8] = b"QEMU emulator version ";
/// How much of a file is looked at once.
const PIECE: usize = 1 << 20;

/// Only a program of the machine is read on: not a script, nor a file that is no program.
fn has_words_of_qemu(mut file: File) -> io::Result<bool> {
    let mut bytes = Vec::new();
    loop {
        let begun = !bytes.is_empty();
        // The words and the number may be cut in two here.
        bytes.drain(..bytes.len().saturating_sub(WORDS.len()));
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut bytes)?;
        if read == 0 || (!begun && !bytes.starts_with(b"\x7fELF")) {
            return Ok(false);
        }
        let number = |at: usize| bytes.get(at + WORDS.len()).is_some_and(u8::is_ascii_digit);
        if memmem::find_iter(&bytes, WORDS).any(number) {
            return Ok(true);
        }
    }
}

/// Whether a command's program is xsk-backend.
fn is_backend(path: &Path) -> bool {
    name(path.as_os_str()) == b"xsk-backend"
}

/// The name of the program at the start of `words`, where that is known to pass no descriptors on.
fn closes(words: &[OsString]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let name = std::str::from_utf8(name(program)).ok()?;
    let has = |options: &[&str]| {
        let begins =
            |word: &OsString| options.iter().any(|o| word.as_bytes().starts_with(o.as_bytes()));
        arguments.iter().any(begins)
    };
    let closes = match name {
        "sudo" => !has(&["-C", "--close-from"]),
        "start-stop-daemon" => has(&["-b", "--background"]) && !has(&["-C", "--no-close"]),
        "systemd-run" => !has(&["--scope"]),
        "podman" => !has(&["--preserve-fd"]),
        "doas" | "pkexec" | "run0" | "docker" | "nerdctl" | "tmux" | "screen" => true,
        _ => false,
    };
    closes.then(|| name.to_owned())
}

/// Where execvp(3) would find `program`.
pub(crate) fn resolve(program: &OsStr) -> io::Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return process::executable(Path::new(program)).map(|()| program.into());
    }
    let mut worst = io::Error::from(io::ErrorKind::NotFound);
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        match process::executable(&folder.join(program)) {
            Ok(()) => return Ok(folder.join(program)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    fn last(text: &str) -> String {
        let programs = Programs::find(&words(text)).unwrap();
        programs.consumer.path().display().to_string()
    }

    #[test]
    fn wrappers_are_looked_behind() {
        assert_eq!(last("timeout 2 /bin/cat -netdev x"), "/bin/cat");
        assert_eq!(last("env -i A=/bin/ls nice -n 5 taskset -c 0 /bin/cat"), "/bin/cat");
        assert_eq!(last("/bin/cat timeout /bin/ls"), "/bin/cat");
        assert!(last("timeout 2 nonesuch").ends_with("/timeout"));
    }

    #[test]
    fn those_that_close_descriptors_are_known() {
        let closes = |text: &str| closes(&words(text));
        assert_eq!(closes("/usr/bin/sudo -u qemu qemu-system-x86_64").as_deref(), Some("sudo"));
        assert_eq!(closes("sudo -C 100 qemu-system-x86_64"), None);
        assert_eq!(closes("podman run --rm image").as_deref(), Some("podman"));
        assert_eq!(closes("podman run --preserve-fds=9 image"), None);
        assert_eq!(closes("start-stop-daemon --start --exec /bin/ls"), None);
        assert_eq!(closes("systemd-run --scope qemu-system-x86_64"), None);
        assert_eq!(closes("qemu-system-x86_64 -name sudo"), None);
    }

    #[test]
    fn a_script_is_no_qemu_whatever_it_says() {
        let path = std::env::temp_dir().join(format!("xsk-cli-{}-script", std::process::id()));
        std::fs::write(&path, "#!/bin/sh\necho QEMU emulator version 10\n").unwrap();
        assert!(!is_qemu_file(&path));
        for cut in [1, 4, WORDS.len(), WORDS.len() + 1] {
            let before = vec![0; PIECE - cut - 4];
            std::fs::write(&path, [b"\x7fELF", &before[..], WORDS, b"10"].concat()).unwrap();
            assert!(is_qemu_file(&path), "{cut}");
            std::fs::write(&path, [b"\x7fELF", &before[..], WORDS, b"x"].concat()).unwrap();
            assert!(!is_qemu_file(&path), "{cut}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
