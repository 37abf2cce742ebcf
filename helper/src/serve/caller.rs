// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks: what the kernel remembers of the process that made the connection, and nothing else.

use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use xsk_proto::Code;

use crate::error::Failure;
use crate::leases::key::Netns;
use crate::netns;
use crate::sys::sockets;

/// The user behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    /// The primary group and all others.
    pub(crate) groups: Vec<u32>,
    /// Groups that only deny: those that the process of an exec run was started with.
    pub(crate) denying: Vec<u32>,
    /// For people: by now it may be another process, or none.
    pub(crate) pid: u32,
    /// The network namespace that the connection comes from.
    pub(crate) netns: Netns,
}

/// How the process that serves was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// By the user: their real uid has to be the connection's. A connection can come out of a user
    /// namespace in which groups were dropped; the process had its own.
    Exec { real_uid: u32, groups: Vec<u32> },
    /// By root or by the service's manager, who accepted the connection or passed it on.
    Trusted,
}

impl Caller {
    /// Asks the kernel. `netns` is our own namespace, in which he has to be too.
    pub(crate) fn of(connection: impl AsFd, entry: &Entry, netns: Netns) -> Result<Self, Failure> {
        netns::check(&connection, netns)?;
        let credentials = getsockopt(&connection, PeerCredentials)
            .map_err(|error| Failure::internal("reading SO_PEERCRED", error))?;
        if credentials.uid() == u32::MAX || credentials.pid() == 0 {
            return Err(unknown("the kernel does not say who is at the other end of the connection"));
        }
        agree(entry, credentials.uid())?;
        let mut groups = sockets::peer_groups(connection.as_fd())
            .map_err(|error| Failure::internal("reading SO_PEERGROUPS", error))?;
        groups.push(credentials.gid());
        let denying = match entry {
            Entry::Exec { groups, .. } => groups.clone(),
            Entry::Trusted => Vec::new(),
        };
        Ok(Self { uid: credentials.uid(), groups, denying, pid: credentials.pid().unsigned_abs(), netns })
    }
}

/// An inherited socketpair of root's would say 0, whoever holds it now.
fn agree(entry: &Entry, peer: u32) -> Result<(), Failure> {
    match entry {
        Entry::Exec { real_uid, .. } if *real_uid != peer => Err(unknown(&format!(
            "the helper was started by uid {real_uid} over a connection that uid {peer} made"
        ))),
        _ => Ok(()),
    }
}

fn unknown(message: &str) -> Failure {
    Failure::new(Code::Identity, "connection", message).hint("let xsk-client make the connection itself")
}
