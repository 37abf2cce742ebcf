// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least that a grant has to do, as bare system calls: the reference of the benchmarks.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::wire::Wire;
use super::{SOON, afxdp, sys, wait_until};

/// An XSKMAP and a connection to hand sockets over.
#[derive(Debug)]
pub struct Bare {
    map: OwnedFd,
    near: Wire,
    far: Wire,
    ifindex: u32,
}

impl Bare {
    /// Prepares everything that is not part of a grant.
    pub fn new(ifindex: u32) -> Self {
        let pair =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let (near, far) = pair.unwrap();
        Self { map: sys::make_xskmap(4).unwrap(), near: near.into(), far: far.into(), ifindex }
    }

    /// A socket, pinned, in the map, and handed over. Linux 7.1 wants its RX ring before it takes
    /// it (ENOBUFS): the attempt is all that a grant does there as well.
    pub fn grant(&self) -> OwnedFd {
        let socket = xsk_socket::Unbound::create().unwrap().into_fd();
        afxdp::pin_by_index(&socket, self.ifindex).unwrap();
        wait_until(SOON, "the last socket to leave its slot", || self.put(&socket));
        self.near.send_with(b"granted", &[socket.as_raw_fd()]).unwrap();
        self.far.receive_now().remove(0)
    }

    /// Returns false while the slot is taken. A process that another thread of ours has just forked
    /// keeps the last socket until it executes its program.
    fn put(&self, socket: &OwnedFd) -> bool {
        match sys::put_socket(&self.map, 0, socket.as_fd()) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EEXIST) => false,
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => true,
            put => {
                put.unwrap();
                true
            }
        }
    }
}
