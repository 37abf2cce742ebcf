// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands as one family: the same mistake is reported in one layout with one exit status, and
//! shared options take the same values.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::{Cmd, Done, HELPER, Lab, SOON};

const GONE: &str = "af-xdp,id=n0,ifname=eth9";

/// The two lines of an error: the sentence in the program's name, and what to type next.
fn two_lines(done: &Done, program: &str, status: i32) -> (String, String) {
    assert_eq!(done.status.code(), Some(status), "{done:?}");
    let lines: Vec<&str> = done.stderr.lines().collect();
    let [sentence, hint] = lines[..] else { panic!("not two lines: {done:?}") };
    let sentence =
        sentence.strip_prefix(&format!("{program}: ")).unwrap_or_else(|| panic!("{done:?}"));
    let hint = hint.strip_prefix("  hint: ").unwrap_or_else(|| panic!("{done:?}"));
    (sentence.to_owned(), hint.to_owned())
}

fn backend(lab: &Lab) -> Cmd {
    lab.user_cmd("xsk-backend").args(["--helper", HELPER, "--peer", "discard", "--netdev"])
}

#[test]
fn a_missing_interface_is_said_alike() {
    let lab = lab!();
    lab.veth(1);
    lab.allow("*");
    let run = lab.client("run").args(["--acquire", GONE, "--", "true"]).run(SOON);
    let backend = backend(&lab).arg(GONE).run(SOON);
    let of_run = two_lines(&run, "xsk-client", 125);
    assert_eq!(two_lines(&backend, "xsk-backend", 78), of_run);
    assert!(of_run.0.contains("eth9"), "{of_run:?}");
    let revoke = lab.cmd("xsk-helper").args(["revoke", "eth9"]).run(SOON);
    let of_revoke = two_lines(&revoke, "xsk-helper", 78);
    assert!(of_revoke.0.contains("eth9"), "{of_revoke:?}");
}

#[test]
fn a_command_line_that_cannot_be_read_is_said_alike() {
    let lab = lab!();
    let wrong = |program: &str, words: &[&str], status: i32| {
        two_lines(&lab.user_cmd(program).args(words).run(SOON), program, status)
    };
    let unexpected = "unexpected argument '--nonsense' found".to_owned();
    let status = wrong("xsk-client", &["status", "--nonsense"], 64);
    assert_eq!(status, (unexpected.clone(), "xsk-client status --help".to_owned()));
    let run = wrong("xsk-client", &["run", "--nonsense", "--", "true"], 125);
    assert_eq!(run, (unexpected.clone(), "xsk-client run --help".to_owned()));
    let backend = wrong("xsk-backend", &["--nonsense"], 64);
    assert_eq!(backend, (unexpected, "xsk-backend --help".to_owned()));
    let missing = wrong("xsk-client", &["detach", "n0"], 64);
    assert_eq!(missing.0, "the following required arguments were not provided: --qmp <PATH>");
}

#[test]
fn wait_takes_a_part_of_a_second_from_both() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let holder = ["--acquire", &netdev, "--", "sh", "-c", "echo held; exec sleep 60"];
    let mut holder = lab.client("run").args(holder).start();
    holder.says("held", SOON);
    let run = lab.client("run").args(["--wait=2.5", "--acquire", &netdev, "--", "true"]).run(SOON);
    assert_eq!(run.status.code(), Some(125), "{run:?}");
    assert!(run.stderr.contains("xsk-client: waiting: "), "{run:?}");
    let backend = backend(&lab).arg(&netdev).arg("--wait=2.5").run(SOON);
    assert_eq!(backend.status.code(), Some(75), "{backend:?}");
    assert!(backend.stderr.contains("xsk-backend: waiting: "), "{backend:?}");
    holder.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
