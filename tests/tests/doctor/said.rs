// SPDX-License-Identifier: MIT OR Apache-2.0
//! What doctor said, as text and as JSON, which must agree.
#![allow(dead_code, reason = "each of the programs that have this module uses another part of it")]

use std::time::{Duration, Instant};

use serde_json::Value;
use xsk_tests::lab::netdev::{self, Knows};
use xsk_tests::lab::{Cmd, Done, Lab, SOON};

/// No check takes longer than two seconds; three may wait that long: two questions to the helper,
/// and QEMU.
pub(crate) const AT_MOST: Duration = Duration::from_secs(7);

/// The lines of one run.
#[derive(Debug)]
pub(crate) struct Said {
    text: String,
    lines: Vec<[String; 4]>,
    status: i32,
}

/// No QEMU: a real one takes its time on a busy machine.
pub(crate) const NO_QEMU: [&str; 2] = ["--qemu", "/nonexistent"];

/// Doctor for an interface, as the lab's user, with the setuid helper.
pub(crate) fn doctor(lab: &Lab, ifname: &str) -> Said {
    run(|| lab.client("doctor").args(NO_QEMU).arg(ifname))
}

/// Runs doctor twice, for people and for scripts. What it looks at may change in between (a card
/// that was set up anew gets its carrier; on a slow machine an answer is late for one of them):
/// then both are asked again.
#[track_caller]
pub(crate) fn run(cmd: impl Fn() -> Cmd) -> Said {
    let mut tries = 0;
    loop {
        let begun = Instant::now();
        let text = cmd().run(SOON);
        assert!(begun.elapsed() < AT_MOST, "it took {:?}:\n{}", begun.elapsed(), text.stdout);
        let said = Said::read(&text);
        let json = cmd().arg("--json").run(SOON);
        let same = said.lines == of_json(&json.stdout);
        tries += 1;
        if same || tries == 5 {
            assert_eq!(said.lines, of_json(&json.stdout), "text and JSON differ:\n{}", said.text);
            assert_eq!(json.status.code(), Some(said.status));
            return said;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn of_json(text: &str) -> Vec<[String; 4]> {
    let all: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let one = |finding: &Value| {
        assert_eq!(finding.as_object().unwrap().len(), 4, "{finding}");
        ["state", "check", "message", "mend"].map(|key| finding[key].as_str().unwrap().to_owned())
    };
    all.as_array().unwrap().iter().map(one).collect()
}

impl Said {
    #[track_caller]
    fn read(done: &Done) -> Self {
        // A check may take two seconds, and after one that is said.
        let waited = "xsk-client: waiting for the helper, the kernel and QEMU to answer\n";
        assert_eq!(done.stderr.replace(waited, ""), "", "{}", done.stdout);
        let text = done.stdout.clone();
        // Each message begins in the same column, and so does each command.
        let column = text.lines().next().unwrap().split_at(6).1.find("  ").unwrap() + 6;
        let column = column + text[column..].find(|c| c != ' ').unwrap();
        let mut lines: Vec<[String; 4]> = Vec::new();
        for line in text.lines() {
            let (head, rest) = line.split_at(column);
            assert!(
                !rest.starts_with(' ') && head.ends_with("  "),
                "{line:?} is not aligned:\n{text}"
            );
            match (head.trim().is_empty(), rest.strip_prefix("-> ")) {
                (true, Some(mend)) => lines.last_mut().unwrap()[3] = mend.to_owned(),
                (false, None) => {
                    let (state, check) = head.split_at(6);
                    lines.push([
                        state.trim().to_lowercase(),
                        check.trim().into(),
                        rest.into(),
                        String::new(),
                    ]);
                }
                _ => panic!("{line:?} is no line of a check:\n{text}"),
            }
        }
        let said = Self { text, lines, status: done.status.code().unwrap() };
        said.holds_together();
        said
    }

    /// Nothing twice, what is wrong has a command, and the exit status is that of the worst.
    #[track_caller]
    fn holds_together(&self) {
        for (at, [state, check, message, mend]) in self.lines.iter().enumerate() {
            let others = &self.lines[at + 1..];
            assert!(
                others.iter().all(|other| other[1] != *check),
                "{check} is there twice:\n{}",
                self.text
            );
            assert!(
                others.iter().all(|other| other[2] != *message),
                "{message:?} twice:\n{}",
                self.text
            );
            assert_eq!(
                mend.is_empty(),
                state == "ok",
                "{check}: a mend is for what is not ok:\n{}",
                self.text
            );
        }
        let failed = self.lines.iter().any(|line| line[0] == "fail");
        assert_eq!(failed, self.status != 0, "status {}:\n{}", self.status, self.text);
    }

    fn find(&self, check: &str) -> Option<&[String; 4]> {
        self.lines.iter().find(|line| line[1] == check)
    }

    /// The line of a check is exactly this one. Returns the command that fixes it.
    #[track_caller]
    pub(crate) fn has(&self, state: &str, check: &str, message: &str, mend: &str) -> String {
        let line =
            self.find(check).unwrap_or_else(|| panic!("no line for {check}:\n{}", self.text));
        let wanted = [state, check, message, mend].map(str::to_owned);
        assert_eq!(*line, wanted, "\n{}", self.text);
        mend.to_owned()
    }

    /// The line of a check is ok, and says this.
    #[track_caller]
    pub(crate) fn ok(&self, check: &str, part: &str) {
        let line =
            self.find(check).unwrap_or_else(|| panic!("no line for {check}:\n{}", self.text));
        assert!(
            line[0] == "ok" && line[2].contains(part),
            "{check} is not ok with {part:?}:\n{}",
            self.text
        );
    }

    /// Whether the line of a check is ok.
    pub(crate) fn is_ok(&self, check: &str) -> bool {
        self.find(check).is_some_and(|line| line[0] == "ok")
    }

    /// Whether the command of a check has this in it.
    pub(crate) fn says(&self, check: &str, part: &str) -> bool {
        self.find(check).is_some_and(|line| line[3].contains(part))
    }

    /// There is no such line.
    #[track_caller]
    pub(crate) fn lacks(&self, check: &str) {
        assert_eq!(self.find(check), None, "\n{}", self.text);
    }

    /// The exit status.
    #[track_caller]
    pub(crate) fn exits(&self, status: i32) {
        assert_eq!(self.status, status, "\n{}", self.text);
    }
}

/// What doctor says of the source of what drivers can do.
pub(crate) fn source(lab: &Lab, ifname: &str) -> &'static str {
    match netdev::knows(lab.ifindex(ifname), 0) {
        Knows::Nothing => ", by a table of drivers, since this kernel does not say",
        _ => "",
    }
}

/// Does what the line says, as root, on the lab's host. Where there are several ways it is the
/// first.
#[track_caller]
pub(crate) fn mended(lab: &Lab, mend: &str) {
    let command = mend.split("; or").next().unwrap().replace("sudo ", "");
    lab.cmd("sh").args(["-c", &command]).run(SOON).ok();
}
