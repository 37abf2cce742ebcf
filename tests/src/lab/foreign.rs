// SPDX-License-Identifier: MIT OR Apache-2.0
//! A foreign XDP program, attached in the usual ways.

use std::os::fd::OwnedFd;

use super::{Lab, sys};

/// How a stranger's program stands on the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a bpf_link.
    Link,
    /// By netlink, as `ip link set … xdp` does.
    Netlink,
}

/// A mode of attachment, as the flags of the kernel have it.
pub const NATIVE: u32 = 1 << 2;
/// See [`NATIVE`].
pub const SKB: u32 = 1 << 1;

/// A stranger's program on an interface; removed when dropped.
#[derive(Debug)]
pub struct Stranger {
    ifindex: u32,
    flags: u32,
    link: Option<OwnedFd>,
    _program: OwnedFd,
}

impl Lab {
    /// Tries to put a stranger's program on an interface beside what is there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn try_stranger(&self, ifname: &str, flags: u32) -> std::io::Result<OwnedFd> {
        sys::link_xdp(&sys::load_pass()?, self.ifindex(ifname), flags)
    }

    /// Puts a stranger's program on an interface.
    pub fn stranger(&self, ifname: &str, way: Way, flags: u32) -> Stranger {
        let (ifindex, program) = (self.ifindex(ifname), sys::load_pass().unwrap());
        let link = match way {
            Way::Link => Some(sys::link_xdp(&program, ifindex, flags).unwrap()),
            Way::Netlink => {
                sys::set_xdp(Some(&program), ifindex, flags).unwrap();
                None
            }
        };
        Stranger { ifindex, flags, link, _program: program }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        if self.link.take().is_none() {
            let _ = sys::set_xdp(None, self.ifindex, self.flags);
        }
    }
}
