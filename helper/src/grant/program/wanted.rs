// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which program a request wants on its interface, and which one is there for it.
#![forbid(unsafe_code)]

use xsk_bpf::Redirect;
use xsk_netlink::Link;
use xsk_proto::Mode;

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

impl Wanted<'_> {
    /// Returns whether a program that is attached in `mode`, made for frames of several buffers or not, will do.
    pub(super) fn accepts(&self, mode: Mode, frags: bool) -> bool {
        self.modes.contains(&mode) && (frags || !self.frags)
    }
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
