// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reference on libxdp: compiled on the measured machine, and never shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use xsk_tests::lab::{Lab, SOON, Veth, wait_for};

const SOURCE: &str = include_str!("reference.c");

/// Compiles the reference.
pub(crate) fn compile(lab: &Lab) -> Result<PathBuf, String> {
    let (source, program) = (lab.path("reference.c"), lab.path("reference"));
    std::fs::write(&source, SOURCE).map_err(|e| e.to_string())?;
    let hint = "apt-get install gcc libxdp-dev libbpf-dev";
    let done = Command::new("cc")
        .args(["-O2", "-Wall", "-o"])
        .args([&program, &source])
        .args(["-lxdp", "-lbpf"])
        .output()
        .map_err(|e| format!("cc: {e}; {hint}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() { Ok(program) } else { Err(format!("{said}\n{hint}")) }
}

/// Runs it until it works: a queue answers EBUSY for some 20 ms after its last holder. Returns its
/// last line's numbers.
pub(crate) fn run(lab: &Lab, program: &Path, words: &str, veth: &Veth) -> Vec<f64> {
    let words = words.replace("IFNAME", &veth.ifname);
    let attempt = || {
        let done = lab.cmd("taskset").args(["-c", "0"]).arg(program).words(&words).run(SOON * 3);
        done.status.success().then_some(done.stdout)
    };
    let said = wait_for(SOON, "the reference to get its queue", attempt);
    let last = said.lines().last().unwrap_or_default();
    last.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}
