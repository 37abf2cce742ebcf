// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks: what the kernel remembers of the process that made the connection, and nothing else.

use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use xsk_proto::Code;

use crate::error::Failure;
use crate::leases::key::Netns;
use crate::sys::sockets;

/// The user behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    /// The primary group and all others.
    pub(crate) groups: Vec<u32>,
    /// For people: by now it may be another process, or none.
    pub(crate) pid: u32,
    /// The network namespace that the connection comes from.
    pub(crate) netns: Netns,
}

/// How the process that serves was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// By the user himself: his real uid has to be the connection's.
    Exec { real_uid: u32 },
    /// By root or by the service's manager, who accepted the connection or passed it on.
    Trusted,
}

impl Caller {
    /// Asks the kernel.
    pub(crate) fn of(connection: impl AsFd, entry: Entry) -> Result<Self, Failure> {
        let credentials = getsockopt(&connection, PeerCredentials)
            .map_err(|error| Failure::internal("reading SO_PEERCRED", error))?;
        if credentials.uid() == u32::MAX || credentials.pid() == 0 {
            return Err(unknown("the kernel does not say who is at the other end of the connection"));
        }
        agree(entry, credentials.uid())?;
        let mut groups = sockets::peer_groups(connection.as_fd())
            .map_err(|error| Failure::internal("reading SO_PEERGROUPS", error))?;
        groups.push(credentials.gid());
        let netns = same_netns(connection)?;
        Ok(Self { uid: credentials.uid(), groups, pid: credentials.pid().unsigned_abs(), netns })
    }
}

/// An inherited socketpair of root's would say 0, whoever holds it now.
fn agree(entry: Entry, peer: u32) -> Result<(), Failure> {
    match entry {
        Entry::Exec { real_uid } if real_uid != peer => Err(unknown(&format!(
            "the helper was started by uid {real_uid} over a connection that uid {peer} made"
        ))),
        _ => Ok(()),
    }
}

fn unknown(message: &str) -> Failure {
    Failure::new(Code::Identity, "connection", message).hint("let xsk-client make the connection itself")
}

/// The consumer looks the interface's name up in its own namespace, and a socket belongs to the namespace in
/// which it was made: so both have to be one.
fn same_netns(connection: impl AsFd) -> Result<Netns, Failure> {
    let fail = |error| Failure::internal("reading SO_NETNS_COOKIE", error);
    let own = std::os::unix::net::UnixDatagram::unbound().map_err(fail)?;
    let theirs = sockets::netns_cookie(connection.as_fd()).map_err(fail)?;
    match (theirs, sockets::netns_cookie(own.as_fd()).map_err(fail)?) {
        (Some(theirs), Some(ours)) if theirs == ours => Ok(Netns::Cookie(ours)),
        (Some(_), Some(_)) => Err(Failure::new(
            Code::Namespace,
            "network namespace",
            "the client is in another network namespace than this helper",
        )
        .hint(
            "start a helper in the client's namespace: xsk-client run --helper, or xsk-helper listen there",
        )),
        _ => own_netns_inode(),
    }
}

/// Before Linux 5.14; the client compares for itself then.
fn own_netns_inode() -> Result<Netns, Failure> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata("/proc/thread-self/ns/net")
        .map_err(|error| Failure::internal("reading the network namespace", error))?;
    Ok(Netns::Inode(found.ino()))
}
