// SPDX-License-Identifier: MIT OR Apache-2.0
//! The other side of a queue: where its frames go and where they come from. There is one instance
//! per queue.
#![forbid(unsafe_code)]

mod discard;
pub mod echo;
mod forward;
mod generate;
mod pcap;
mod reflect;
pub mod stream;
pub(crate) mod vhost;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use xsk_socket::{Bound, RxBatch};

use crate::counters::{Counters, Moved};
use crate::error::Error;
use crate::peer_spec::PeerSpec;

pub use forward::Forward;

/// What a peer waits for beside its queue's socket.
#[derive(Debug, Default)]
pub struct Interest<'a> {
    /// A descriptor and its events.
    pub on: Option<(BorrowedFd<'a>, PollFlags)>,
    /// Not longer than this.
    pub within: Option<Duration>,
}

/// The other side of one queue.
pub trait Peer: Send {
    /// Takes sockets out that another queue is to serve, and puts in those that this one is to
    /// serve. Called each turn.
    fn exchange(&mut self, _sockets: &mut Vec<Bound>) {}

    /// How many frames from the network it takes now. What it does not take waits in the ring, and
    /// is dropped and counted by the kernel when that is full.
    fn room(&mut self) -> usize {
        usize::MAX
    }

    /// Takes frames from the network, never more than [`room`](Self::room) said.
    ///
    /// # Errors
    /// The peer cannot go on.
    fn receive(&mut self, batch: &mut RxBatch<'_>, counters: &Counters) -> Result<(), Error>;

    /// Puts frames for the network into the socket, and says how many. Called once a turn; never
    /// waits.
    ///
    /// # Errors
    /// The peer cannot go on.
    fn supply(&mut self, _socket: &mut Bound, _counters: &Counters) -> Result<Moved, Error> {
        Ok(Moved::default())
    }

    /// Called when nothing moves in either direction, before the queue sleeps.
    ///
    /// # Errors
    /// The peer cannot go on.
    fn idle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// What to wait for.
    fn interest(&self) -> Interest<'_> {
        Interest::default()
    }

    /// Whether it has nothing more to do.
    fn done(&self) -> bool {
        false
    }

    /// Called once at the end.
    ///
    /// # Errors
    /// What was taken could not be put where it belongs.
    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a peer has to know of its interface.
#[derive(Debug, Clone, Copy)]
pub struct Station {
    /// The interface's MAC address.
    pub mac: [u8; 6],
    /// Its index.
    pub ifindex: u32,
}

/// Makes the peers of `queues` queues. `forward` is not among them: it is made of the second
/// netdev's sockets; nor is `vhost-user`, which has a thread beside the queues' ([`vhost::make`]).
///
/// # Errors
/// A file or a socket path cannot be opened.
pub fn make(
    spec: &PeerSpec,
    station: Station,
    inherited: Option<OwnedFd>,
    queues: usize,
) -> Result<Vec<Box<dyn Peer>>, Error> {
    match spec {
        PeerSpec::Discard | PeerSpec::Forward | PeerSpec::VhostUser(_) => {
            Ok(each(queues, |_| discard::Discard))
        }
        PeerSpec::Reflect => Ok(each(queues, |_| reflect::Reflect)),
        PeerSpec::Echo(echo) => Ok(each(queues, |_| echo::Echo::new(echo, station))),
        PeerSpec::Generate(spec) => {
            Ok(each(queues, |at| generate::Generate::new(spec, station, at, queues)))
        }
        PeerSpec::Pcap(spec) => {
            let file = pcap::open(spec)?;
            Ok(each(queues, |_| pcap::Pcap::new(Arc::clone(&file))))
        }
        PeerSpec::Stream(spec) => {
            let link = stream::Link::open(spec, inherited)?;
            Ok(each(queues, |at| stream::Stream::new(Arc::clone(&link), at == 0)))
        }
    }
}

fn each<P: Peer + 'static>(queues: usize, make: impl Fn(usize) -> P) -> Vec<Box<dyn Peer>> {
    (0..queues).map(|at| Box::new(make(at)) as Box<dyn Peer>).collect()
}
