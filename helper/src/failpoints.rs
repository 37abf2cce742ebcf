// SPDX-License-Identifier: MIT OR Apache-2.0
//! Points between two steps at which a test can stop the helper and kill it. They exist only with
//! the feature `failpoints`, which no release has: without it the macro expands to nothing, and a
//! test checks that the release binary does not contain the name of [`FILE`].

/// Stops here, if the test asked for this step.
macro_rules! failpoint {
    ($step:literal) => {
        #[cfg(feature = "failpoints")]
        crate::failpoints::at($step);
    };
}
pub(crate) use failpoint;

/// The file in which the test names the step.
#[cfg(feature = "failpoints")]
const FILE: &str = "/run/xsk-helper/failpoint";

/// The file is read once: a keeper cannot open it any more.
#[cfg(feature = "failpoints")]
pub(crate) fn at(step: &str) {
    static WANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::fs::read_to_string(FILE).unwrap_or_default());
    if wanted.trim() == step {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGSTOP);
    }
}
