// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of this crate share: a test that cannot run says so.

/// Says that the running test was skipped, and why; panics where `CI` is `true`. The harness
/// captures `eprintln!`, and nothing that is written to standard error itself.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "SKIPPED: {why}");
    let line = format!("SKIPPED: {}: {why}\n", std::thread::current().name().unwrap_or("?"));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}
