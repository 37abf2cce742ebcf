// SPDX-License-Identifier: MIT OR Apache-2.0
//! One structured line for every grant, refusal, end and revoke: to journald as fields if it is
//! there; otherwise to the service manager's stream, or to syslog without one ([`sink`]). Values
//! are quoted and escaped, so nothing that a client sends can forge a line, and short, so nothing
//! that it sends fills the log.

mod queue;
mod sink;

use std::fmt::{Display, Write as _};

pub(crate) use sink::{finish, open, pause, resend, stream};

/// LOG_AUTHPRIV.
const FACILITY: u8 = 10;
/// How much of a client's text is repeated to it, or logged.
const SHOWN: usize = 64;
/// How much of any value goes into a line: a path of a policy file fits, and no flood.
const VALUE: usize = 512;

/// Returns the beginning of a client's text, without anything that a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let mut shown: String = text.chars().take(SHOWN).map(printable).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// What the line is about, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Grant,
    Refuse,
    End,
    Event,
    Revoke,
    Reap,
    Error,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            What::Grant => "grant",
            What::Refuse => "refuse",
            What::End => "end",
            What::Event => "event",
            What::Revoke => "revoke",
            What::Reap => "reap",
            What::Error => "error",
        }
    }

    /// The syslog priority: notice for what was done, warning for what was not.
    const fn priority(self) -> u8 {
        match self {
            What::Refuse | What::Event => 4,
            What::Error => 3,
            _ => 5,
        }
    }
}

/// A line in the making.
#[derive(Debug)]
pub(crate) struct Line {
    what: What,
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    pub(crate) fn new(what: What) -> Self {
        Self { what, text: what.word().to_owned(), fields: Vec::new() }
    }

    /// Adds a field. The name is fixed; the value may come from a client.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let value: String = value.to_string().chars().take(VALUE).collect();
        let plain = !value.is_empty()
            && value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        // Writing to a string does not fail.
        let _ = if plain {
            write!(self.text, " {name}={value}")
        } else {
            write!(self.text, " {name}={value:?}")
        };
        self.fields.push((name, value));
        self
    }

    /// Sends it off; a log that does not take it stops nothing.
    pub(crate) fn log(self) {
        sink::put(&self);
    }

    fn plain(&self) -> Vec<u8> {
        format!("xsk-helper: {}\n", self.text).into_bytes()
    }

    fn syslog(&self) -> Vec<u8> {
        format!("<{}>xsk-helper: {}", FACILITY * 8 + self.what.priority(), self.text).into_bytes()
    }

    /// `NAME=value`, and for a value with a line break its length in front, so that it stays one
    /// field.
    fn journal(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(512);
        let mut field = |name: &str, value: &str| {
            packet.extend_from_slice(name.as_bytes());
            if value.contains('\n') {
                packet.push(b'\n');
                packet.extend_from_slice(&(value.len() as u64).to_le_bytes());
            } else {
                packet.push(b'=');
            }
            packet.extend_from_slice(value.as_bytes());
            packet.push(b'\n');
        };
        field("MESSAGE", &self.text);
        field("PRIORITY", &self.what.priority().to_string());
        field("SYSLOG_IDENTIFIER", "xsk-helper");
        field("XSK_ACTION", self.what.word());
        for (name, value) in &self.fields {
            field(&format!("XSK_{}", name.to_ascii_uppercase()), value);
        }
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_forge_a_line() {
        let line = Line::new(What::Refuse)
            .with("uid", 1000)
            .with("interface", "x\nPRIORITY=0\ngrant uid=0 \"");
        assert_eq!(line.text, r#"refuse uid=1000 interface="x\nPRIORITY=0\ngrant uid=0 \"""#);
        let packet = line.journal();
        let text = String::from_utf8_lossy(&packet);
        assert!(text.starts_with("MESSAGE=refuse uid=1000 interface=\"x\\n"), "{text}");
        assert!(text.contains("XSK_INTERFACE\n\u{1a}\0\0\0\0\0\0\0x\nPRIORITY=0"), "{text:?}");
    }

    #[test]
    fn a_clients_text_is_short_and_plain() {
        assert_eq!(shown("eth0"), "eth0");
        assert_eq!(shown("\u{1b}[2J\né\u{202e}x"), "?[2J???x");
        assert_eq!(shown(&"é".repeat(4096)), "?".repeat(SHOWN) + "...");
    }

    #[test]
    fn a_value_has_an_end() {
        let line = Line::new(What::Error).with("error", "é".repeat(4096));
        assert_eq!(line.fields[0].1.chars().count(), VALUE);
    }
}
