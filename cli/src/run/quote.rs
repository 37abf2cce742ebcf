// SPDX-License-Identifier: MIT OR Apache-2.0
//! Quotes a command line so that a shell reads back the same bytes.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The words of a command, quoted where needed.
pub(super) fn line(command: &[OsString]) -> String {
    command.iter().map(|word_| word(word_)).collect::<Vec<_>>().join(" ")
}

/// One word: bare where it is harmless, in apostrophes where it is text, as `$'...'` otherwise.
pub(super) fn word(text: &OsStr) -> String {
    let bytes = text.as_bytes();
    let bare = |b: &u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(b);
    if !bytes.is_empty() && bytes.iter().all(bare) {
        return text.to_string_lossy().into_owned();
    }
    match text.to_str() {
        Some(text) if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => format!("$'{}'", bytes.iter().map(|b| escaped(*b)).collect::<String>()),
    }
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", byte as char),
        b' '..=b'~' => (byte as char).to_string(),
        // Octal: a digit that follows cannot become part of three of them.
        _ => format!("\\{byte:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_shell_reads_it_back() {
        let words: Vec<OsString> = [
            &b"qemu"[..],
            b"",
            b"a b",
            b"it's",
            b"$x`y`",
            b"\xff\xfe7",
            b"new\nline",
            b"{'type':'af-xdp'}",
            "é".as_bytes(),
        ]
        .into_iter()
        .map(|bytes| OsString::from_vec(bytes.to_vec()))
        .collect();
        let script = format!("printf '%s\\0' {}", line(&words));
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap().stdout;
        let back: Vec<&[u8]> = out.split(|b| *b == 0).collect();
        let expected: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).chain([&b""[..]]).collect();
        assert_eq!(back, expected);
    }

    #[test]
    fn harmless_words_stay_bare() {
        assert_eq!(word(OsStr::new("af-xdp,id=n0,sock-fds=7:8")), "af-xdp,id=n0,sock-fds=7:8");
    }
}
