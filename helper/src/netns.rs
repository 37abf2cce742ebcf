// SPDX-License-Identifier: MIT OR Apache-2.0
//! The helper's network namespace, and whether a client is in it too: the consumer looks the
//! interface's name up in its own namespace, and a socket belongs to the namespace in which it was
//! made, so both have to be one.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use crate::error::{Failure, IdentityFault};
use crate::leases::key::Netns;
use crate::sys::sockets;

fn failed(error: io::Error) -> Failure {
    Failure::sys("finding out the network namespace", error)
}

/// The namespace of this process.
pub(crate) fn own() -> Result<Netns, Failure> {
    let socket = UnixDatagram::unbound().map_err(failed)?;
    match sockets::netns_cookie(socket.as_fd()).map_err(failed)? {
        Some(cookie) => Ok(Netns::Cookie(cookie)),
        // Before Linux 5.14.
        None => {
            Ok(Netns::Inode(std::fs::metadata("/proc/thread-self/ns/net").map_err(failed)?.ino()))
        }
    }
}

/// Refuses a connection whose other end is in another namespace than our own. Without cookies the
/// client compares for itself.
pub(crate) fn check(connection: impl AsFd, own: Netns) -> Result<(), Failure> {
    match sockets::netns_cookie(connection.as_fd()).map_err(failed)? {
        Some(theirs) if own != Netns::Cookie(theirs) => Err(IdentityFault::Namespace.into()),
        _ => Ok(()),
    }
}
