// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which program a request wants on its interface, and which one is there for it.
#![forbid(unsafe_code)]

use xsk_bpf::Redirect;
use xsk_netlink::Link;
use xsk_proto::Mode;

use crate::error::Failure;
use crate::kernel::Kernel;
use crate::leases::key::Key;

/// What is needed to know which program will do.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: Key,
    pub(crate) link: &'a Link,
    /// Where the kernel is asked about the interface.
    pub(crate) kernel: &'a Kernel,
    /// In the order in which to try them.
    pub(crate) modes: &'a [Mode],
    pub(crate) frags: bool,
}

/// What becomes of a program that is pinned for an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is used again.
    Used,
    /// It goes: it is not on the interface, or nobody uses it and it will not do.
    Goes,
    /// It will not do, and leases use it.
    InTheWay,
}

impl Wanted<'_> {
    /// Judges a program that is attached in `mode`, made for frames of several buffers or not.
    /// Whether it is unused is asked only if it will not do.
    pub(super) fn fate(
        &self,
        mode: Mode,
        frags: bool,
        unused: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<Fate, Failure> {
        if will_do(self.modes.contains(&mode), self.frags, frags) {
            return Ok(Fate::Used);
        }
        Ok(if unused()? { Fate::Goes } else { Fate::InTheWay })
    }
}

/// A program for frames of several buffers takes those of one as well.
fn will_do(mode_fits: bool, frags_wanted: bool, frags: bool) -> bool {
    mode_fits && (frags || !frags_wanted)
}

/// How the program is on its interface.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) mode: Mode,
    /// Why this mode, if the request left it open.
    pub(crate) reason: String,
    pub(crate) prog_id: u32,
    pub(crate) frags: bool,
    /// Attached for this request.
    pub(crate) fresh: bool,
}

/// A program on its interface, and how.
pub(crate) type Installed = (Redirect, Attachment);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_to_have_the_mode_and_to_take_the_frames() {
        assert!(
            will_do(true, false, false) && will_do(true, false, true) && will_do(true, true, true)
        );
        assert!(!will_do(true, true, false));
        assert!(!will_do(false, false, false) && !will_do(false, true, true));
    }
}
