// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generic netlink family `netdev`: what XDP a driver can do, and which queues have sockets
//! (Documentation/netlink/specs/netdev.yaml; since Linux 6.3).

use std::io;

use crate::Ask;
use crate::bytes::u32_at;
use crate::family::{self, FIXED};
use crate::message::Request;

const DEV_GET: u8 = 1;
const DEV_IFINDEX: u16 = 1;
const DEV_XDP_FEATURES: u16 = 3;

const QUEUE_GET: u8 = 10;
const QUEUE_ID: u16 = 1;
const QUEUE_IFINDEX: u16 = 2;
const QUEUE_TYPE: u16 = 3;
const QUEUE_XSK: u16 = 7;
const RX: u32 = 0;
const TX: u32 = 1;

/// The version from which on a queue says that a socket is bound to it (`NETDEV_A_QUEUE_XSK`).
const TELLS_SOCKETS: (u32, u32) = (6, 15);

/// What XDP a driver can do (`enum netdev_xdp_act`, include/uapi/linux/netdev.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(pub u32);

impl Features {
    /// The driver runs XDP programs.
    pub const BASIC: Self = Self(1);
    /// The driver delivers what a program redirects.
    pub const REDIRECT: Self = Self(2);
    /// The driver binds AF_XDP sockets in zero-copy mode.
    pub const ZERO_COPY: Self = Self(8);
    /// The driver takes frames of several buffers.
    pub const FRAGS: Self = Self(32);

    /// Returns whether all of `others` are among these.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Returns whether the driver takes a program and drops what that redirects, so that an AF_XDP
    /// socket gets nothing in native mode.
    pub fn drops_redirected(self) -> bool {
        self.has(Self::BASIC) && !self.has(Self::REDIRECT)
    }
}

/// Asks the family, by a socket of NETLINK_GENERIC.
#[derive(Debug)]
pub struct Netdev<S> {
    socket: S,
    family: u16,
    tells_sockets: bool,
}

impl<S: Ask> Netdev<S> {
    /// Finds the family; `None` where the kernel has none. `kernel` is major and minor number of
    /// its version.
    ///
    /// # Errors
    /// The kernel refuses to answer.
    pub fn find(socket: S, kernel: (u32, u32)) -> io::Result<Option<Self>> {
        let family = family::find(&socket, "netdev")?;
        let tells_sockets = kernel >= TELLS_SOCKETS;
        Ok(family.map(|family| Self { socket, family, tells_sockets }))
    }

    /// Returns what the driver of the interface can do.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn features(&self, ifindex: u32) -> io::Result<Features> {
        let request = family::command(self.family, DEV_GET).with_u32(DEV_IFINDEX, ifindex);
        let mut features = Features::default();
        self.socket.ask(request, &mut |message| {
            // 64 bits in the byte order of the machine, of which the upper half is not used.
            let value = message.find(FIXED, DEV_XDP_FEATURES).unwrap_or_default();
            features.0 |= u32_at(value, 0).unwrap_or(0) | u32_at(value, 4).unwrap_or(0);
        })?;
        Ok(features)
    }

    /// Returns whether an AF_XDP socket is bound to the queue; `None` where the kernel does not
    /// tell.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn bound(&self, ifindex: u32, queue: u32) -> io::Result<Option<bool>> {
        if !self.tells_sockets {
            return Ok(None);
        }
        for direction in [RX, TX] {
            let mut bound = false;
            let asked = self.socket.ask(self.queue(ifindex, queue, direction), &mut |message| {
                bound |= message.find(FIXED, QUEUE_XSK).is_some();
            });
            match asked.map_err(|error| (error.raw_os_error(), error)) {
                // A queue of one direction only, or an interface that is down, of which nothing is
                // told.
                Err((Some(libc::ENOENT | libc::EINVAL), _)) => {}
                Err((_, error)) => return Err(error),
                // A socket is noted at both (net/xdp/xsk.c, `xsk_reg_pool_at_qid`).
                Ok(()) => return Ok(Some(bound)),
            }
        }
        Ok(None)
    }

    /// Returns whether the interface has the queue, in either direction; `None` where the kernel
    /// does not tell: before Linux 6.8, and while the interface is down.
    pub fn has_queue(&self, ifindex: u32, queue: u32) -> Option<bool> {
        // EINVAL is the answer for a number beyond the queues in use (net/core/netdev-genl.c).
        match self.queue_errno(ifindex, queue, RX) {
            0 => Some(true),
            errno => match [errno, self.queue_errno(ifindex, queue, TX)] {
                [_, 0] => Some(true),
                [libc::EINVAL, libc::EINVAL] => Some(false),
                _ => None,
            },
        }
    }

    /// An interface that is down is ENOENT; up to Linux 6.12 it is an answer without a word.
    fn queue_errno(&self, ifindex: u32, queue: u32, direction: u32) -> i32 {
        let mut told = false;
        let request = self.queue(ifindex, queue, direction);
        match self.socket.ask(request, &mut |_| told = true) {
            Ok(()) if told => 0,
            Ok(()) => libc::ENOENT,
            Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
        }
    }

    fn queue(&self, ifindex: u32, queue: u32, direction: u32) -> Request {
        family::command(self.family, QUEUE_GET)
            .with_u32(QUEUE_ID, queue)
            .with_u32(QUEUE_TYPE, direction)
            .with_u32(QUEUE_IFINDEX, ifindex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Kernel;

    const NEWEST: (u32, u32) = (7, 0);

    fn family() -> Result<Vec<Request>, i32> {
        // A family's number has two bytes, and the rest is padding.
        Ok(vec![family::command(16, 1).with_u32(libc::CTRL_ATTR_FAMILY_ID as u16, 29)])
    }

    fn answer(kind: u16, value: u32) -> Result<Vec<Request>, i32> {
        Ok(vec![family::command(29, 0).with_u32(kind, value)])
    }

    fn netdev(kernel: (u32, u32), answers: &[Result<Vec<Request>, i32>]) -> Netdev<Kernel> {
        let answers = [vec![family()], answers.to_vec()].concat();
        Netdev::find(Kernel::new(answers), kernel).unwrap().unwrap()
    }

    #[test]
    fn an_older_kernel_has_no_such_family() {
        let found = Netdev::find(Kernel::new(vec![Err(libc::ENOENT)]), NEWEST);
        assert!(found.unwrap().is_none());
    }

    #[test]
    fn features_are_bits() {
        let of = |bits| netdev(NEWEST, &[answer(DEV_XDP_FEATURES, bits)]).features(7).unwrap();
        assert!(of(1).drops_redirected() && !of(3).drops_redirected() && !of(0).drops_redirected());
        assert!(of(9).has(Features::ZERO_COPY) && !of(9).has(Features::FRAGS));
        assert_eq!(of(0x23), Features(0x23));
    }

    #[test]
    fn a_socket_on_a_queue_is_told_from_6_15_on() {
        let (bound, free) = (answer(QUEUE_XSK, 0), answer(QUEUE_ID, 0));
        let told = |kernel, answers: &[_]| netdev(kernel, answers).bound(7, 0).unwrap();
        assert_eq!(told((6, 14), &[]), None);
        assert_eq!(told((6, 15), std::slice::from_ref(&bound)), Some(true));
        assert_eq!(told(NEWEST, &[free]), Some(false));
        assert_eq!(told(NEWEST, &[Err(libc::EINVAL), bound]), Some(true));
        assert_eq!(told(NEWEST, &[Err(libc::ENOENT), Err(libc::ENOENT)]), None);
        let gone = netdev(NEWEST, &[Err(libc::ENODEV)]).bound(7, 0);
        assert_eq!(gone.unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn a_queue_is_there_missing_or_not_told() {
        let there = answer(QUEUE_ID, 0);
        let has = |answers: &[_]| netdev(NEWEST, answers).has_queue(7, 0);
        assert_eq!(has(std::slice::from_ref(&there)), Some(true));
        assert_eq!(has(&[Err(libc::EINVAL), there]), Some(true));
        assert_eq!(has(&[Err(libc::EINVAL), Err(libc::EINVAL)]), Some(false));
        assert_eq!(has(&[Err(libc::ENOENT), Err(libc::ENOENT)]), None);
        assert_eq!(has(&[Ok(vec![]), Ok(vec![])]), None);
    }
}
