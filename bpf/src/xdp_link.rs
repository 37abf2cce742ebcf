// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bpf_link that holds the program on an interface: it goes with its last descriptor or pin.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::At;
use crate::{Error, Step, sys};

/// How to attach (include/uapi/linux/if_link.h, `XDP_FLAGS_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver.
    Native,
    /// In the generic path.
    Skb,
}

impl AttachMode {
    const fn flags(self) -> u32 {
        match self {
            AttachMode::Skb => 1 << 1,
            AttachMode::Native => 1 << 2,
        }
    }
}

/// What the kernel says of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInfo {
    /// The interface, by its index in its own namespace; 0 when it is gone, or the program was
    /// taken off it.
    pub ifindex: u32,
    /// The program.
    pub prog_id: u32,
}

/// An XDP link.
#[derive(Debug)]
pub struct XdpLink(OwnedFd);

impl XdpLink {
    pub(crate) fn create(
        prog: BorrowedFd<'_>,
        ifindex: u32,
        mode: AttachMode,
    ) -> Result<Self, Error> {
        sys::xdp_link_create(prog, ifindex as i32, mode.flags()).at(Step::Attach).map(Self)
    }

    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// What the kernel says of it.
    ///
    /// # Errors
    /// [`Step::Info`], also where the descriptor is not an XDP link.
    pub fn info(&self) -> Result<LinkInfo, Error> {
        let (ifindex, prog_id) = sys::xdp_link_info(self.0.as_fd()).at(Step::Info)?;
        Ok(LinkInfo { ifindex, prog_id })
    }

    /// Takes the program off the interface, even if other processes have the link open.
    ///
    /// # Errors
    /// [`Step::Detach`]; a link whose interface is gone is detached already, and that is no error.
    pub fn detach(&self) -> Result<(), Error> {
        if self.info()?.ifindex == 0 {
            return Ok(());
        }
        sys::link_detach(self.0.as_fd()).at(Step::Detach)
    }
}

impl AsFd for XdpLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
