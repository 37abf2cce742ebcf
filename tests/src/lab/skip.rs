// SPDX-License-Identifier: MIT OR Apache-2.0
//! A test that cannot run says so where the test harness does not swallow it.

use std::io::Write;

/// Says that the running test was skipped, and why; panics where `CI` is `true`.
pub fn say(why: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED: {}: {why}\n", thread.name().unwrap_or("?"));
    assert!(
        std::env::var_os("CI").is_none_or(|v| v != "true"),
        "{line}a skipped test is a failure in CI"
    );
    // The harness captures `eprint!`, and nothing that goes to the descriptor itself.
    let mut stderr = super::sys::raw_stderr();
    let _ = stderr.write_all(line.as_bytes());
}

/// Says that the running test needs another kernel than this one, on which `make vm` runs it;
/// panics there.
pub fn elsewhere(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?");
    assert!(std::env::var_os("XSK_VM").is_none(), "{name} has to run in the VM: {why}");
    let mut stderr = super::sys::raw_stderr();
    let _ = stderr.write_all(format!("SKIPPED HERE: {name}: {why} (make vm runs it)\n").as_bytes());
}

/// Prints a figure that the test measured, past the harness, for the reports.
pub fn figure(line: &str) {
    let thread = std::thread::current();
    let mut stderr = super::sys::raw_stderr();
    let _ =
        stderr.write_all(format!("FIGURE: {}: {line}\n", thread.name().unwrap_or("?")).as_bytes());
}

/// Says what this kernel can do, as a test has just seen it: a cell of the table in
/// docs/kernels.md.
pub fn feature(name: &str, value: &str) {
    let mut stderr = super::sys::raw_stderr();
    let _ = stderr.write_all(format!("FEATURE: {name}: {value}\n").as_bytes());
}
