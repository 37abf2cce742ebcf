// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lease whose connection this process holds: acquired by itself, or inherited from `xsk-client
//! run`, which names the descriptor in the environment. Without the connection a revoke would leave
//! the backend deaf and silent.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use xsk_client::{Error, Lease, News, lease_fds};

use crate::sys;

/// The interface, and the connection to the lease's keeper.
#[derive(Debug)]
pub(crate) struct HeldLease {
    pub(crate) ifname: String,
    connection: OwnedFd,
}

impl HeldLease {
    pub(crate) fn inherited(ifname: String, connection: OwnedFd) -> Self {
        Self { ifname, connection }
    }

    pub(crate) fn news(&self) -> Result<News, Error> {
        xsk_client::news(self.connection.as_fd(), Duration::ZERO)
    }
}

impl From<Lease> for HeldLease {
    fn from(lease: Lease) -> Self {
        Self { ifname: lease.granted.ifname, connection: lease.connection }
    }
}

impl AsFd for HeldLease {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// The connection of the lease that each list of sockets is of, if the environment names one. The
/// environment may be an old one, so what is no connection is left out.
pub(crate) fn connections_of(netdevs: &[Vec<RawFd>]) -> Vec<Option<RawFd>> {
    let text = std::env::var_os(lease_fds::VARIABLE).unwrap_or_default();
    let mut named = lease_fds::read(&text.to_string_lossy());
    let mut find = |sockets: &Vec<RawFd>| {
        let at =
            named.iter().position(|lease| sockets.iter().any(|fd| lease.sockets.contains(fd)))?;
        Some(named.swap_remove(at).connection).filter(|fd| sys::is_connection(*fd))
    };
    netdevs.iter().map(&mut find).collect()
}
