// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of an af-xdp netdev with their types (`NetdevAFXDPOptions`, qapi/net.json), read in
//! QEMU's order, so that of several mistakes the same one is reported, and QEMU's rules between
//! them (`net_init_af_xdp`, net/af-xdp.c, 10.2).
#![forbid(unsafe_code)]

use std::os::fd::RawFd;

use xsk_proto::{Mode, ModeRequest};

use super::source::Source;
use super::{Error, Place, values};

/// What an af-xdp netdev asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `id`: always there for `-netdev`, optional elsewhere.
    pub id: Option<String>,
    /// `ifname`, the interface.
    pub ifname: String,
    /// `mode`; without it native is tried first, then skb.
    pub mode: Option<Mode>,
    /// `force-copy`.
    pub force_copy: bool,
    /// `queues`, at least 1, by default 1.
    pub queues: u32,
    /// `queues=all`, which QEMU does not know: [`Netdev::with_queues`](super::Netdev::with_queues)
    /// puts a number there. [`Options::queues`] is 1 meanwhile.
    pub all_queues: bool,
    /// `start-queue`, by default 0. QEMU takes a negative one for 0.
    pub start_queue: u32,
    /// `inhibit`.
    pub inhibit: bool,
    /// `sock-fds`, as written.
    pub sock_fds: Option<String>,
    /// `map-path`, as written.
    pub map_path: Option<String>,
    /// `map-start-index`.
    pub map_start_index: Option<i32>,
    /// `mac` of a `-nic`, as written.
    pub mac: Option<String>,
}

impl Options {
    /// The mode as the protocol asks for it.
    pub fn mode_request(&self) -> ModeRequest {
        match self.mode {
            None => ModeRequest::Auto,
            Some(Mode::Native) => ModeRequest::Native,
            Some(Mode::Skb) => ModeRequest::Skb,
        }
    }

    /// Whether sockets or a map are given already, so that there is nothing to acquire.
    pub fn complete(&self) -> bool {
        self.sock_fds.is_some() || self.map_path.is_some()
    }

    /// QEMU's rules between the options.
    ///
    /// # Errors
    /// The sentence with which QEMU 10.2 refuses the combination.
    pub fn check(&self) -> Result<(), Error> {
        if self.inhibit && !self.complete() {
            return Err(Error::new("'inhibit=on' requires 'sock-fds' or 'map-path'"));
        }
        if !self.inhibit && self.complete() {
            return Err(Error::new("'sock-fds' and 'map-path' require 'inhibit=on'"));
        }
        if self.sock_fds.is_some() && self.map_path.is_some() {
            return Err(Error::new("'sock-fds' and 'map-path' are mutually exclusive"));
        }
        if self.all_queues && self.complete() {
            return Err(Error::new("'queues=all' does not go with 'sock-fds' or 'map-path'"));
        }
        match self.map_start_index {
            Some(_) if self.map_path.is_none() => {
                Err(Error::new("'map-start-index' requires 'map-path'"))
            }
            Some(index) if index < 0 => {
                Err(Error::new(format!("'map-start-index' cannot be negative ({index})")))
            }
            _ => Ok(()),
        }
    }

    /// The numbers in `sock-fds`, in queue order; `None` without that option.
    ///
    /// # Errors
    /// QEMU's sentence where there are not as many as queues, or one is not a descriptor's number.
    pub fn sockets(&self) -> Result<Option<Vec<RawFd>>, Error> {
        let Some(text) = &self.sock_fds else { return Ok(None) };
        let names: Vec<&str> = text.split(':').collect();
        if names.len() != self.queues as usize {
            let (want, got) = (self.queues, names.len());
            return Err(Error::new(format!("expected {want} socket fds, got {got}")));
        }
        let number = |name: &str| {
            values::descriptor(name.as_bytes())
                .ok_or_else(|| Error::new(format!("Invalid file descriptor number '{name}'")))
        };
        names.into_iter().map(number).collect::<Result<_, _>>().map(Some)
    }
}

/// Reads all options of af-xdp from `source`.
pub(super) fn read(source: &mut dyn Source, place: Place) -> Result<Options, Error> {
    let id = source.text("id")?;
    if id.is_none() && place == Place::Netdev {
        return Err(Error::missing("id"));
    }
    let mac = if place == Place::Nic { nic(source)? } else { None };
    source.text("type")?;
    let ifname = source.text("ifname")?.ok_or_else(|| Error::missing("ifname"))?;
    let mode = source.text("mode")?.map(|mode| mode_named(&mode)).transpose()?;
    let force_copy = source.boolean("force-copy")?.unwrap_or(false);
    let all_queues = source.is_word("queues", "all");
    let queues = if all_queues { 1 } else { source.int64("queues")?.unwrap_or(1) };
    let start_queue = source.int64("start-queue")?.unwrap_or(0);
    let inhibit = source.boolean("inhibit")?.unwrap_or(false);
    let sock_fds = source.text("sock-fds")?;
    let map_path = source.text("map-path")?;
    let map_start_index = source.int64("map-start-index")?;
    let map_start_index =
        map_start_index.map(|i| values::int32("map-start-index", i)).transpose()?;
    let queues = count(queues, &ifname)?;
    let start_queue = first(start_queue)?;
    Ok(Options {
        id,
        ifname,
        mode,
        force_copy,
        queues,
        all_queues,
        start_queue,
        inhibit,
        sock_fds,
        map_path,
        map_start_index,
        mac,
    })
}

/// What `-nic` takes out of the options before the netdev sees them (`net_param_nic`, net/net.c).
fn nic(source: &mut dyn Source) -> Result<Option<String>, Error> {
    source.text("model")?;
    source.text("mac")
}

fn mode_named(name: &str) -> Result<Mode, Error> {
    const MODES: [Mode; 2] = [Mode::Native, Mode::Skb];
    let found = MODES.into_iter().find(|mode| mode.name() == name);
    found.ok_or_else(|| Error::enumeration("mode", name, &MODES.map(Mode::name)))
}

fn count(queues: i64, ifname: &str) -> Result<u32, Error> {
    u32::try_from(queues)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| Error::new(format!("invalid number of queues ({queues}) for '{ifname}'")))
}

fn first(start_queue: i64) -> Result<u32, Error> {
    u32::try_from(start_queue.max(0)).map_err(|_| Error::expects("start-queue", "a queue's number"))
}
