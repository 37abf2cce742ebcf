// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lease: the sockets, what holds for them, and the connection whose last copy ends it.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use xsk_proto::{Event, Granted, MAX_REPLY, Reply, Revoke, StatusPart, Verdict};

use crate::conversation::Conversation;
use crate::sys::{descriptors, packet};
use crate::{Endpoint, Error, Kind, Request, plain};

/// Sockets in queue order, unbound, in the XSKMAP, close-on-exec.
///
/// The lease lasts while any copy of [`Lease::connection`] is open, in this process or another:
/// a process that uses the sockets must hold it too.
#[derive(Debug)]
pub struct Lease {
    /// What the helper says about the sockets.
    pub granted: Granted,
    /// The sockets, one a queue, in queue order.
    pub sockets: Vec<OwnedFd>,
    /// The connection to the lease's keeper.
    pub connection: OwnedFd,
}

/// What a lease's connection says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something happened.
    Event(Event),
    /// Nothing happened until the time was over.
    Nothing,
    /// The keeper has gone, so the lease has ended.
    Ended,
}

impl Lease {
    /// Waits up to `timeout` for news.
    ///
    /// # Errors
    /// Where the connection fails, or says what no keeper says.
    pub fn news(&self, timeout: Duration) -> Result<News, Error> {
        news(self.connection.as_fd(), timeout)
    }
}

/// Waits up to `timeout` for news of the lease behind a connection, which may have been inherited.
///
/// # Errors
/// As [`Lease::news`].
pub fn news(connection: BorrowedFd<'_>, timeout: Duration) -> Result<News, Error> {
    let packet = match packet::receive(connection, MAX_REPLY, Instant::now() + timeout) {
        Ok(packet) if packet.bytes.is_empty() => return Ok(News::Ended),
        Ok(packet) => packet,
        Err(Errno::TIMEDOUT) => return Ok(News::Nothing),
        Err(Errno::CONNRESET | Errno::PIPE) => return Ok(News::Ended),
        Err(errno) => return Err(Error::system("the lease's connection", errno)),
    };
    match plain::decode(&packet.bytes) {
        Ok(Reply::Event(event)) => Ok(News::Event(event)),
        _ => Err(Error::new(
            Kind::Protocol,
            "lease",
            "the lease's keeper sent a message that cannot be decoded",
        )),
    }
}

/// Asks for sockets.
///
/// # Errors
/// The helper's refusal, or why it could not be asked. Nothing is kept in that case: whatever had
/// arrived is closed, and so the lease over.
pub fn acquire(endpoint: &Endpoint, request: &Request) -> Result<Lease, Error> {
    let message = xsk_proto::Request::Acquire(request.message().clone());
    let (mut conversation, reply, sockets) = Conversation::begin(endpoint, &message)?.reply()?;
    let Reply::Granted(granted) = reply else { return Err(conversation.unexpected("a grant")) };
    check_namespace(&granted)?;
    let above = |fd| descriptors::above_streams(fd).map_err(|errno| Error::system("dup", errno));
    let sockets = sockets.into_iter().map(above).collect::<Result<_, _>>()?;
    let connection = above(conversation.part())?;
    Ok(Lease { granted, sockets, connection })
}

/// QEMU looks the interface's name up in its own network namespace, so that has to be the sockets'
/// one.
fn check_namespace(granted: &Granted) -> Result<(), Error> {
    match descriptors::netns_cookie() {
        Some(ours) if granted.netns_cookie != 0 && granted.netns_cookie != ours => {
            let ifname = &granted.ifname;
            let message =
                format!("the sockets are for {ifname} of another network namespace than this one");
            let hint = "run the helper in this namespace: xsk-helper listen --socket PATH, and xsk-client run --socket PATH";
            Err(Error::new(Kind::Namespace, ifname, message).hint(hint))
        }
        _ => Ok(()),
    }
}

/// Asks what [`acquire`] would be granted, and changes nothing.
///
/// # Errors
/// As [`acquire`].
pub fn check(endpoint: &Endpoint, request: &Request) -> Result<Verdict, Error> {
    let message = xsk_proto::Request::Check(request.message().clone());
    let (mut conversation, reply, _) = Conversation::begin(endpoint, &message)?.reply()?;
    let Reply::Verdict(verdict) = reply else { return Err(conversation.unexpected("a verdict")) };
    conversation.part();
    Ok(verdict)
}

/// Asks what is leased: the caller's own leases, and for root everybody's.
///
/// # Errors
/// The helper's refusal, or why it could not be asked.
pub fn status(endpoint: &Endpoint) -> Result<StatusPart, Error> {
    let mut all = StatusPart::default();
    let mut conversation = Conversation::begin(endpoint, &xsk_proto::Request::Status)?;
    loop {
        let (mut next, reply, _) = conversation.reply()?;
        let Reply::Status(part) = reply else { return Err(next.unexpected("a status")) };
        all.interfaces.extend(part.interfaces);
        all.leases.extend(part.leases);
        if !part.more {
            next.part();
            return Ok(all);
        }
        conversation = next;
    }
}

/// Ends leases; says how many were told to.
///
/// # Errors
/// The helper's refusal, or why it could not be asked.
pub fn revoke(endpoint: &Endpoint, which: Revoke) -> Result<u32, Error> {
    let message = xsk_proto::Request::Revoke(which);
    let (mut conversation, reply, _) = Conversation::begin(endpoint, &message)?.reply()?;
    let Reply::Revoked { leases } = reply else {
        return Err(conversation.unexpected("a number of leases"));
    };
    conversation.part();
    Ok(leases)
}
