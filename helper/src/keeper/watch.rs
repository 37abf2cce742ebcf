// SPDX-License-Identifier: MIT OR Apache-2.0
//! News of one interface. The kernel filters, so that a hundred keepers do not wake for the event of one; a
//! lost message (ENOBUFS) means that the interface is asked for afresh.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use xsk_proto::{EventKind, Granted};

use crate::netlink::Netlink;
use crate::netlink::link::Link;
use crate::netlink::monitor::{Event, Monitor};
use crate::netlink::queues::Netdev;

/// What is known of the interface, and where news of it come from.
pub(crate) struct Watch {
    monitor: Monitor,
    netlink: Netlink,
    netdev: Option<Netdev>,
    ifindex: u32,
    prog_id: u32,
    name: String,
    up: bool,
    replaced: bool,
    queues: Range<u32>,
    reduced: bool,
}

/// What has come.
pub(crate) enum News {
    Nothing,
    Event(EventKind, String),
}

impl Watch {
    pub(crate) fn open(granted: &Granted) -> io::Result<Self> {
        let monitor = Monitor::open(granted.ifindex)?;
        let netlink = Netlink::route()?;
        let up = netlink.link_by_index(granted.ifindex)?.is_some_and(|link| link.up);
        Ok(Self {
            monitor,
            netlink,
            netdev: Netdev::open().ok().flatten(),
            ifindex: granted.ifindex,
            prog_id: granted.program_id,
            name: granted.ifname.clone(),
            up,
            replaced: false,
            queues: granted.first_queue..granted.first_queue + granted.queues,
            reduced: false,
        })
    }

    /// Reads one message; the next is there at the next poll.
    pub(crate) fn read(&mut self) -> News {
        match self.monitor.read() {
            Ok(Event::None) => News::Nothing,
            Ok(Event::Changed(link)) => self.compare(&link),
            Ok(Event::Gone { moved: false }) => {
                News::Event(EventKind::InterfaceGone, format!("the interface {} was removed", self.name))
            }
            Ok(Event::Gone { moved: true }) => News::Event(
                EventKind::InterfaceMoved,
                format!("the interface {} was moved to another network namespace", self.name),
            ),
            Err(_) => self.afresh(),
        }
    }

    fn afresh(&mut self) -> News {
        match self.netlink.link_by_index(self.ifindex) {
            Ok(Some(link)) => self.compare(&link),
            Ok(None) => News::Event(EventKind::InterfaceGone, format!("the interface {} is gone", self.name)),
            Err(_) => News::Nothing,
        }
    }

    /// The first difference that a client wants to know; the kernel sends a message for each change.
    fn compare(&mut self, link: &Link) -> News {
        if link.name != self.name {
            let text = format!("the interface {} is now called {}", self.name, link.name);
            self.name.clone_from(&link.name);
            return News::Event(EventKind::InterfaceRenamed, text);
        }
        if link.up != self.up {
            self.up = link.up;
            let (kind, word) =
                if link.up { (EventKind::InterfaceUp, "up") } else { (EventKind::InterfaceDown, "down") };
            return News::Event(kind, format!("the interface {} is {word}", self.name));
        }
        let ours = link.xdp.iter().any(|program| program.prog_id == self.prog_id);
        if ours == self.replaced {
            self.replaced = !ours;
            if self.replaced {
                let text = format!("the XSK program of this lease is not on {} any more", self.name);
                return News::Event(EventKind::ProgramReplaced, text);
            }
        }
        self.count_queues()
    }

    /// The kernel has no event for the number of queues, but drivers take the carrier away while they change it.
    fn count_queues(&mut self) -> News {
        let told = |queue| self.netdev.as_ref().and_then(|netdev| netdev.has(self.ifindex, queue));
        let missing = self.queues.clone().find(|queue| told(*queue) == Some(false));
        let reduced = missing.is_some() && !self.reduced;
        self.reduced = missing.is_some();
        match missing.filter(|_| reduced) {
            Some(queue) => {
                let text = format!("the interface {} has no queue {queue} any more", self.name);
                News::Event(EventKind::QueuesReduced, text)
            }
            None => News::Nothing,
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }
}
