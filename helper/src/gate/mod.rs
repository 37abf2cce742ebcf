// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gate to the units. A service manager has to work for each connection that it accepts: it
//! makes a unit, a sandbox and a process, and takes them down again, some hundredths of a second
//! each, one after the other. A user who connects faster than that would keep all others out. So
//! this process, which has no privilege, listens on the system's socket and passes connections on
//! to the manager's socket, a few of each user at a time, users taking turns. It reads nothing that
//! a client sends.
//!
//! To pass a connection on, it connects to the manager's socket and sends the client's connection
//! as a descriptor. The process for it closes its end when it is up.
#![forbid(unsafe_code)]

mod fair_queue;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket,
    sockopt::PeerCredentials,
};
use nix::unistd::{geteuid, setresuid};
use sendfd::SendWithFd;

use crate::connection::Connection;
use crate::connection::patience::Patience;
use crate::error::{Failure, Limit};
use crate::isolation::service::ServiceUser;
use crate::sys::sockets;
use crate::{isolation, paths};
use fair_queue::{FairQueue, Full, OF_A_USER, OF_ALL};

/// How long to wait if the machine is short of something, in milliseconds.
const PAUSE: u8 = 20;
/// How long the gate may take to send what it connected for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that is being started: its end of this closes when it is up.
struct Starting {
    uid: u32,
    link: UnixDatagram,
}

/// Passes connections on until it is killed.
pub(crate) fn stand(listener: &OwnedFd, user: ServiceUser) -> Result<(), Failure> {
    // It is already, unless the file is setuid and the service manager lets that work. The unit's
    // filter of system calls does not allow setresuid(2).
    if geteuid() != user.uid {
        setresuid(user.uid, user.uid, user.uid)
            .map_err(|error| Failure::sys("becoming the service user", error))?;
    }
    isolation::drop_capabilities()
        .map_err(|error| Failure::sys("giving up the capabilities", error))?;
    let mut waiting = FairQueue::new();
    let mut starting: Vec<Starting> = Vec::new();
    loop {
        let short = !pass_on(&mut waiting, &mut starting);
        let (somebody, up) = wait(listener, &starting, short);
        for index in up.into_iter().rev() {
            waiting.done(starting.swap_remove(index).uid);
        }
        if somebody {
            admit(listener, &mut waiting);
        }
    }
}

/// Returns whether a client has connected, and which of the processes that were being started are
/// up. If the machine is short of something, it returns after a pause and accepts no client
/// meanwhile.
fn wait(listener: &OwnedFd, starting: &[Starting], short: bool) -> (bool, Vec<usize>) {
    let timeout = if short { PollTimeout::from(PAUSE) } else { PollTimeout::NONE };
    let links = starting.iter().map(|one| PollFd::new(one.link.as_fd(), PollFlags::POLLIN));
    let mut set: Vec<PollFd<'_>> = links.collect();
    if !short {
        set.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
    }
    if poll(&mut set, timeout).is_err() {
        return (false, Vec::new());
    }
    let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
    let up = (0..starting.len()).filter(|index| ready(&set[*index])).collect();
    (!short && set.last().is_some_and(ready), up)
}

/// Accepts a connection. A user with too many waiting connections is refused.
fn admit(listener: &OwnedFd, waiting: &mut FairQueue<Connection>) {
    let Ok(socket) = sockets::accept(listener.as_fd()) else {
        // Too many descriptors: some are given back as processes come up.
        std::thread::sleep(Duration::from_millis(PAUSE.into()));
        return;
    };
    let Ok(credentials) = getsockopt(&socket, PeerCredentials) else { return };
    if let Err((connection, full)) =
        waiting.add(credentials.uid(), Connection::new(socket), is_gone)
    {
        let limit = match full {
            Full::User => Limit::WaitingOfUser { uid: credentials.uid(), most: OF_A_USER },
            Full::All => Limit::Waiting { most: OF_ALL },
        };
        connection.refuse(&limit.into(), Patience::NONE);
    }
}

/// Returns whether the client has hung up.
fn is_gone(connection: &Connection) -> bool {
    let mut set = [PollFd::new(connection.as_fd(), PollFlags::empty())];
    poll(&mut set, PollTimeout::ZERO).is_ok_and(|_| set[0].any().unwrap_or(false))
}

/// Starts processes for the connections whose turn it is. Returns false if the manager accepts
/// nothing for now.
fn pass_on(waiting: &mut FairQueue<Connection>, starting: &mut Vec<Starting>) -> bool {
    while let Some((uid, client)) = waiting.next() {
        if is_gone(&client) {
            waiting.done(uid);
            continue;
        }
        match send_to_manager(&client) {
            Ok(link) => starting.push(Starting { uid, link }),
            Err(error) => {
                waiting.done(uid);
                client.refuse(&Limit::Processes(error.into()).into(), Patience::NONE);
                return false;
            }
        }
    }
    true
}

fn send_to_manager(client: &Connection) -> io::Result<UnixDatagram> {
    let link = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    connect(link.as_raw_fd(), &UnixAddr::new(Path::new(paths::INSTANCES))?)?;
    let link = UnixDatagram::from(link);
    link.send_with_fd(&[0], &[client.as_fd().as_raw_fd()])?;
    Ok(link)
}

/// Receives the client's connection on the link to the gate, which the process has as its standard
/// input. The caller drops the link when the process is up.
pub(crate) fn receive(link: OwnedFd) -> Result<(Connection, OwnedFd), Failure> {
    let failed = |error: io::Error| Failure::sys("receiving the connection from the gate", error);
    if !Patience::of(PATIENCE).wait(link.as_fd(), PollFlags::POLLIN).map_err(failed)? {
        return Err(failed(io::ErrorKind::TimedOut.into()));
    }
    let client = sockets::receive_descriptor(link.as_fd()).map_err(failed)?;
    if !sockets::is_socket(client.as_fd(), libc::AF_UNIX, libc::SOCK_SEQPACKET) {
        return Err(failed(io::Error::other("it is not a connection")));
    }
    Ok((Connection::new(client), link))
}
