// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of one interface. The kernel filters them, so that a hundred keepers do not wake for the
//! event of one. After a lost message (ENOBUFS) the interface is read again.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use xsk_netlink::{Event, Link};
use xsk_proto::{EventKind, Granted};

use crate::bpf_call::privileged;
use crate::kernel::Kernel;
use crate::leases::key::Key;
use crate::leases::pins;
use crate::netlink::monitor::Monitor;
use crate::netlink::{Netdev, Netlink};

/// What is known of the interface, and where its events come from.
pub(crate) struct Watch {
    monitor: Monitor,
    netlink: Netlink,
    netdev: Option<Netdev>,
    key: Key,
    prog_id: u32,
    name: String,
    up: bool,
    replaced: bool,
    queues: Range<u32>,
    reduced: bool,
    meanwhile: Vec<News>,
}

/// An event for the client: its kind and its sentence.
pub(crate) type News = (EventKind, String);

impl Watch {
    /// `link` is the interface as the client knows it. The capabilities are not given up yet.
    pub(crate) fn open(
        kernel: Kernel,
        key: Key,
        link: &Link,
        granted: &Granted,
    ) -> io::Result<Self> {
        let Kernel { netlink, netdev, .. } = kernel;
        let mut watch = Self {
            monitor: Monitor::open(key.ifindex)?,
            netlink,
            netdev,
            key,
            prog_id: granted.program_id,
            name: granted.ifname.clone(),
            up: link.up,
            replaced: false,
            queues: granted.first_queue..granted.first_queue + granted.queues,
            reduced: false,
            meanwhile: Vec::new(),
        };
        watch.meanwhile = watch.afresh(|| privileged(|| pins::is_attached(key)).unwrap_or(false));
        Ok(watch)
    }

    /// Reads one message, and says what is new; the next message is there at the next poll.
    /// `is_attached` tells whether the program is on an interface, wherever that is by now.
    pub(crate) fn read(&mut self, is_attached: impl Fn() -> bool) -> Vec<News> {
        match self.monitor.read() {
            Ok(None) => Vec::new(),
            Ok(Some(Event::Changed(link))) => self.compare(&link),
            Ok(Some(Event::Gone { moved })) => vec![self.gone(moved)],
            Err(_) => self.afresh(is_attached),
        }
    }

    /// What happened between the grant and the begin of the watch.
    pub(crate) fn meanwhile(&mut self) -> Vec<News> {
        std::mem::take(&mut self.meanwhile)
    }

    /// Reads the interface again, at the beginning or after lost messages. The messages that were
    /// not lost are older than this.
    fn afresh(&mut self, is_attached: impl Fn() -> bool) -> Vec<News> {
        self.monitor.discard();
        let Ok(found) = self.netlink.link_by_index(self.key.ifindex) else { return Vec::new() };
        match found {
            Some(link) if self.is_on(&link) => self.compare(&link),
            // The program is on an interface, but of another namespace.
            _ if is_attached() => vec![self.gone(true)],
            Some(link) => self.compare(&link),
            None => vec![self.gone(false)],
        }
    }

    fn gone(&self, moved: bool) -> News {
        let name = &self.name;
        if moved {
            let text = format!("the interface {name} was moved to another network namespace");
            (EventKind::InterfaceMoved, text)
        } else {
            (EventKind::InterfaceGone, format!("the interface {name} was removed"))
        }
    }

    /// Returns whether the program of the lease is on this interface.
    fn is_on(&self, link: &Link) -> bool {
        link.xdp.iter().any(|program| program.prog_id == self.prog_id)
    }

    /// Returns what has changed since the client was last told.
    fn compare(&mut self, link: &Link) -> Vec<News> {
        let mut news = Vec::new();
        if link.name != self.name {
            let text = format!("the interface {} is now called {}", self.name, link.name);
            self.name.clone_from(&link.name);
            news.push((EventKind::InterfaceRenamed, text));
        }
        if link.up != self.up {
            self.up = link.up;
            let (kind, word) = if link.up {
                (EventKind::InterfaceUp, "up")
            } else {
                (EventKind::InterfaceDown, "down")
            };
            news.push((kind, format!("the interface {} is {word}", self.name)));
        }
        let replaced = !self.is_on(link);
        if replaced && !self.replaced {
            let text = format!("the XSK program of this lease is not on {} any more", self.name);
            news.push((EventKind::ProgramReplaced, text));
        }
        self.replaced = replaced;
        news.extend(self.count_queues());
        news
    }

    /// The kernel has no event for the number of queues, but drivers take the carrier away while
    /// they change it.
    fn count_queues(&mut self) -> Option<News> {
        let told = |queue| {
            self.netdev.as_ref().and_then(|netdev| netdev.has_queue(self.key.ifindex, queue))
        };
        let missing = self.queues.clone().find(|queue| told(*queue) == Some(false));
        let known = std::mem::replace(&mut self.reduced, missing.is_some());
        let text = format!("the interface {} has no queue {} any more", self.name, missing?);
        (!known).then_some((EventKind::QueuesReduced, text))
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }
}
