// SPDX-License-Identifier: MIT OR Apache-2.0
//! A QEMU's machine protocol, as much as a test needs.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use super::{SOON, wait_for};

/// A connection that has been greeted.
#[derive(Debug)]
pub struct Qmp(BufReader<UnixStream>);

impl Qmp {
    /// Connects as soon as QEMU listens.
    pub fn connect(path: &Path) -> Self {
        let stream = wait_for(SOON, "QEMU's QMP", || UnixStream::connect(path).ok());
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut qmp = Self(BufReader::new(stream));
        qmp.line();
        qmp.run("qmp_capabilities", json!({}));
        qmp
    }

    /// Runs a command, and returns what it returned.
    ///
    /// # Panics
    /// Where QEMU refuses it.
    pub fn run(&mut self, command: &str, arguments: Value) -> Value {
        let text = json!({ "execute": command, "arguments": arguments }).to_string();
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        loop {
            let answer = self.line();
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            if let Some(value) = answer.get("return") {
                return value.clone();
            }
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }
}
