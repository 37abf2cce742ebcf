// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks: what the kernel remembers of the process that made the connection, and nothing else.

use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{UnixAddr, getpeername, getsockopt, sockopt::PeerCredentials};

use crate::error::{Failure, IdentityFault};
use crate::isolation::entry::Origin;
use crate::isolation::invoker::Invoker;
use crate::leases::key::Netns;
use crate::netns;
use crate::sys::sockets;

/// The user behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    /// The primary group and all others.
    pub(crate) groups: Vec<u32>,
    /// Groups that only deny: those that an exec run's process was started with. A connection can
    /// be made in a user namespace in which groups were dropped.
    pub(crate) denying: Vec<u32>,
    /// For people: by now it may be another process, or none.
    pub(crate) pid: u32,
    /// The network namespace that the connection comes from.
    pub(crate) netns: Netns,
}

/// How the process that serves came to its connection.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// With it as standard input, from whatever executed the program: everything about it is the
    /// user's choice. They are the user, or root for the user by sudo or pkexec.
    Exec(Origin),
    /// It accepted it, or the service's manager did.
    Accepted,
}

impl Caller {
    /// Asks the kernel. `netns` is our own namespace, in which the other end has to be too.
    pub(crate) fn of(connection: impl AsFd, entry: &Entry, netns: Netns) -> Result<Self, Failure> {
        netns::check(&connection, netns)?;
        let credentials = getsockopt(&connection, PeerCredentials)
            .map_err(|error| Failure::sys("reading SO_PEERCRED", error))?;
        let (uid, pid) = (credentials.uid(), credentials.pid());
        if uid == u32::MAX || pid == 0 {
            return Err(IdentityFault::Unnamed.into());
        }
        let denying = match entry {
            Entry::Exec(origin) => {
                check_peer(&connection)?;
                agree(origin, uid)?
            }
            Entry::Accepted => Vec::new(),
        };
        let mut groups = sockets::peer_groups(connection.as_fd())
            .map_err(|error| Failure::sys("reading SO_PEERGROUPS", error))?;
        groups.push(credentials.gid());
        Ok(Self { uid, groups, denying, pid: pid.unsigned_abs(), netns })
    }
}

/// On the connecting end SO_PEERCRED names the listener, not the process that connected: with that
/// a user could pass for any service that echoes what it receives. An accepted socket's peer has no
/// name; a listener has one.
fn check_peer(connection: &impl AsFd) -> Result<(), Failure> {
    let peer = getpeername::<UnixAddr>(connection.as_fd().as_raw_fd())
        .map_err(|error| Failure::sys("reading the name of the other end", error))?;
    if peer.is_unnamed() {
        return Ok(());
    }
    Err(IdentityFault::Listener.into())
}

/// Checks that everything known of the user who started the process names the user who made the
/// connection. An inherited connection of root's says uid 0 whoever holds it now, and a process of
/// root's may be a user's, by sudo or pkexec. Returns the groups that the process had of the user.
fn agree(origin: &Origin, peer: u32) -> Result<Vec<u32>, IdentityFault> {
    if let Some(other) = origin.invokers.iter().find(|invoker| invoker.uid != Some(peer)) {
        return Err(disagreeing(*other, peer));
    }
    match origin.real_uid {
        real if real == peer => Ok(origin.groups.clone()),
        // The groups are root's then.
        0 if !origin.invokers.is_empty() => Ok(Vec::new()),
        real => Err(IdentityFault::StartedBy { real, peer }),
    }
}

fn disagreeing(Invoker { variable, uid }: Invoker, peer: u32) -> IdentityFault {
    match uid {
        Some(uid) => IdentityFault::StartedFor { variable, uid, peer },
        None => IdentityFault::NoUid { variable },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(real_uid: u32, invokers: &[(&'static str, Option<u32>)]) -> Origin {
        let invokers =
            invokers.iter().map(|(variable, uid)| Invoker { variable, uid: *uid }).collect();
        Origin { real_uid, groups: vec![7], invokers }
    }

    #[test]
    fn all_have_to_agree() {
        let groups = |origin: Origin, peer| agree(&origin, peer).map_err(|_| ());
        let refused = Err(());
        assert_eq!(groups(started(1000, &[]), 1000), Ok(vec![7]));
        assert_eq!(groups(started(0, &[]), 0), Ok(vec![7]));
        assert_eq!(groups(started(0, &[("SUDO_UID", Some(1000))]), 1000), Ok(vec![]));
        assert_eq!(groups(started(0, &[("PKEXEC_UID", Some(0))]), 0), Ok(vec![7]));
        for (real, peer) in [(1000, 0), (1000, 1001), (0, 1000)] {
            assert_eq!(groups(started(real, &[]), peer), refused);
        }
        for uid in [None, Some(1001), Some(0)] {
            for real in [0, 1000] {
                assert_eq!(groups(started(real, &[("SUDO_UID", uid)]), 1000), refused);
            }
        }
        let both = [("SUDO_UID", Some(1000)), ("PKEXEC_UID", Some(1001))];
        assert_eq!(groups(started(0, &both), 1000), refused);
    }

    #[test]
    fn the_hint_names_the_variable() {
        let fault = agree(&started(0, &[("SUDO_UID", Some(1000))]), 0).unwrap_err();
        let refused = Failure::from(fault).refused();
        assert!(refused.hint.contains("env -u SUDO_UID"), "{refused:?}");
    }
}
