// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel says of a queue and of a driver, by the generic netlink family `netdev`
//! (Documentation/netlink/specs/netdev.yaml).

use std::io;

use nix::sys::socket::{SockFlag, SockProtocol};
use nix::sys::utsname::uname;

use super::Netlink;
use super::wire::{self, Message, Request};

const GENL_ID_CTRL: u16 = 16;
/// `struct genlmsghdr`: command, version, two bytes of nothing.
const GENLMSG: usize = 4;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_XDP_ACT_BASIC: u32 = 1;
const NETDEV_XDP_ACT_REDIRECT: u32 = 2;
const NETDEV_XDP_ACT_XSK_ZEROCOPY: u32 = 8;

const NETDEV_CMD_QUEUE_GET: u8 = 10;
const NETDEV_A_QUEUE_ID: u16 = 1;
const NETDEV_A_QUEUE_IFINDEX: u16 = 2;
const NETDEV_A_QUEUE_TYPE: u16 = 3;
const NETDEV_A_QUEUE_XSK: u16 = 7;
const RX: u32 = 0;
const TX: u32 = 1;

/// From here on a queue says that a socket is bound to it (`NETDEV_A_QUEUE_XSK`).
const TELLS_SOCKETS: (u32, u32) = (6, 15);

/// A connection to the family.
#[derive(Debug)]
pub(crate) struct Netdev {
    netlink: Netlink,
    family: u16,
    tells_sockets: bool,
}

impl Netdev {
    /// `None` where the kernel has no such family (before 6.3).
    pub(crate) fn open() -> io::Result<Option<Self>> {
        let netlink = Netlink::open(SockProtocol::NetlinkGeneric, 0, SockFlag::empty())?;
        let request = Request::new(GENL_ID_CTRL, 0, &[CTRL_CMD_GETFAMILY, 1, 0, 0]);
        let mut family = None;
        let answer = |message: Message<'_>| {
            let id = message.attributes(GENLMSG).find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
            family = id.and_then(|(_, value)| wire::u16_at(value, 0));
        };
        match netlink.ask(request.with_text(CTRL_ATTR_FAMILY_NAME, "netdev"), answer) {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
            _ => {
                let tells_sockets = kernel_version() >= Some(TELLS_SOCKETS);
                Ok(family.map(|family| Self { netlink, family, tells_sockets }))
            }
        }
    }

    /// Whether an AF_XDP socket is bound to the queue; `None` where this kernel does not tell.
    pub(crate) fn bound(&self, ifindex: u32, queue: u32) -> io::Result<Option<bool>> {
        if !self.tells_sockets {
            return Ok(None);
        }
        for kind in [RX, TX] {
            let mut bound = false;
            let asked = self.netlink.ask(self.about(ifindex, queue, kind), |message| {
                bound |= message.attributes(GENLMSG).any(|(kind, _)| kind == NETDEV_A_QUEUE_XSK);
            });
            match asked {
                // A queue of one direction only, or an interface that is down, of which nothing is told.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => {}
                // A socket is noted at both (net/xdp/xsk.c, `xsk_reg_pool_at_qid`).
                other => return other.map(|()| Some(bound)),
            }
        }
        Ok(None)
    }

    /// Whether the interface has the queue, in either direction; `None` where it does not tell: before Linux 6.8,
    /// and while it is down.
    pub(crate) fn has(&self, ifindex: u32, queue: u32) -> Option<bool> {
        let errno = |kind| {
            let mut told = false;
            match self.netlink.ask(self.about(ifindex, queue, kind), |_| told = true) {
                Ok(()) if told => 0,
                // Up to 6.12 that is the answer for an interface that is down, and later ENOENT.
                Ok(()) => libc::ENOENT,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            }
        };
        // EINVAL is the answer for a number beyond the queues in use (net/core/netdev-genl.c).
        match errno(RX) {
            0 => Some(true),
            no => match [no, errno(TX)] {
                [_, 0] => Some(true),
                [libc::EINVAL, libc::EINVAL] => Some(false),
                _ => None,
            },
        }
    }

    fn about(&self, ifindex: u32, queue: u32, kind: u32) -> Request {
        Request::new(self.family, 0, &[NETDEV_CMD_QUEUE_GET, 1, 0, 0])
            .with_u32(NETDEV_A_QUEUE_ID, queue)
            .with_u32(NETDEV_A_QUEUE_TYPE, kind)
            .with_u32(NETDEV_A_QUEUE_IFINDEX, ifindex)
    }

    /// Whether the driver can bind sockets in zero-copy mode.
    pub(crate) fn zero_copy(&self, ifindex: u32) -> io::Result<bool> {
        Ok(self.features(ifindex)? & NETDEV_XDP_ACT_XSK_ZEROCOPY != 0)
    }

    /// Whether the driver runs XDP programs and drops what they redirect.
    pub(crate) fn drops_redirected(&self, ifindex: u32) -> io::Result<bool> {
        let both = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT;
        Ok(self.features(ifindex)? & both == NETDEV_XDP_ACT_BASIC)
    }

    fn features(&self, ifindex: u32) -> io::Result<u32> {
        let request = Request::new(self.family, 0, &[NETDEV_CMD_DEV_GET, 1, 0, 0]);
        let mut features = 0;
        self.netlink.ask(request.with_u32(NETDEV_A_DEV_IFINDEX, ifindex), |message| {
            for (kind, value) in message.attributes(GENLMSG) {
                if kind == NETDEV_A_DEV_XDP_FEATURES {
                    // 64 bits, of which the upper ones are not used.
                    let (low, high) = (wire::u32_at(value, 0), wire::u32_at(value, 4));
                    features |= low.unwrap_or(0) | high.unwrap_or(0);
                }
            }
        })?;
        Ok(features)
    }
}

/// Major and minor number.
fn kernel_version() -> Option<(u32, u32)> {
    let name = uname().ok()?;
    let mut numbers = name.release().to_str()?.split(['.', '-']).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
