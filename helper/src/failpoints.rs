// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places between two steps, at which a test can have the helper stand still to kill it there. They exist only
//! where the feature `failpoints` is on, which no build for use has: without it the macro is nothing at all, and a
//! test looks for [`FILE`]'s name in the release binary, in vain.

/// Stands still here, in a build for that test and if it asked for this step.
macro_rules! failpoint {
    ($step:literal) => {
        #[cfg(feature = "failpoints")]
        crate::failpoints::at($step);
    };
}
pub(crate) use failpoint;

/// Where the test names the step.
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
