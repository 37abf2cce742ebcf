// SPDX-License-Identifier: MIT OR Apache-2.0
//! A holder of queues: a client inside the test, or the backend behind `xsk-client run`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use xsk_socket::Bound;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::Leased;
use xsk_tests::lab::{Running, Wire, afxdp};

/// What holds the lease and the sockets.
pub(crate) enum Hand {
    /// A connection and sockets in this process; each may be gone without the other.
    Client { wire: Option<Wire>, bound: Vec<(u32, Bound)> },
    /// A process of an ordinary user.
    Backend(Running),
}

/// One who has queues.
pub(crate) struct Actor {
    /// Which of the world's cables.
    pub(crate) cable: usize,
    pub(crate) queues: Vec<u32>,
    pub(crate) keeper: Process,
    pub(crate) program: u32,
    pub(crate) hand: Hand,
}

impl Actor {
    /// Binds what was granted; the queues have to be free by then.
    pub(crate) fn client(cable: usize, wire: Wire, grant: Leased) -> Self {
        let Leased { granted, sockets } = grant;
        let queues: Vec<u32> =
            (granted.first_queue..granted.first_queue + granted.queues).collect();
        let bound = bind(granted.ifindex, &queues, sockets);
        Self {
            cable,
            queues,
            keeper: Process::new(granted.keeper),
            program: granted.program_id,
            hand: Hand::Client { wire: Some(wire), bound },
        }
    }

    /// Whether its lease lives, as far as its keeper does.
    pub(crate) fn leased(&self) -> bool {
        self.keeper.is_live()
    }

    /// kill -9, or the end of everything that it has in this process.
    pub(crate) fn dies(self) {
        match self.hand {
            Hand::Client { wire, bound } => drop((wire, bound)),
            Hand::Backend(running) => drop(running.kill()),
        }
    }

    /// Sends its own end of the connection through the connection, and lets go of it.
    pub(crate) fn parks(&mut self) {
        if let Hand::Client { wire, .. } = &mut self.hand {
            let wire = wire.take().unwrap();
            // A keeper that was just killed cannot be told anything.
            let _ = wire.send_with(b"parked", &[wire.fd().as_raw_fd()]);
        }
    }
}

/// Binds sockets to queues, each at the first attempt.
pub(crate) fn bind(ifindex: u32, queues: &[u32], sockets: Vec<OwnedFd>) -> Vec<(u32, Bound)> {
    let one = |(queue, socket): (&u32, OwnedFd)| {
        let bound = afxdp::bind_within(socket, ifindex, *queue, Duration::ZERO);
        (*queue, bound.unwrap_or_else(|e| panic!("a granted queue cannot be bound: {queue}: {e}")))
    };
    queues.iter().zip(sockets).map(one).collect()
}
