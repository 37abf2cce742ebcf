// SPDX-License-Identifier: MIT OR Apache-2.0
//! From ports to bound queues with their peers.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::Resource;
use rustix::thread::CapabilitySet;
use xsk_command::say;
use xsk_socket::{BindOptions, Bound, Config, CopyMode, Unbound};

use crate::cli::Cli;
use crate::control::Control;
use crate::counters::Counters;
use crate::cpus::while_on;
use crate::error::{self, Error, PROGRAM};
use crate::length;
use crate::peer_spec::PeerSpec;
use crate::peers::{self, Forward, Peer, Station, vhost};
use crate::queue::Queue;
use crate::report::Row;
use crate::source::Port;

/// The fewest frames that a queue is begun with.
const LEAST: u32 = 112;

/// A bound socket with what is reported about it.
struct Half {
    socket: Bound,
    row: Row,
}

impl Half {
    fn name(&self) -> String {
        format!("{} queue {}", self.row.ifname, self.row.queue)
    }
}

/// The queues with their peers, what is reported about them, and what runs beside them.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) queues: Vec<Queue>,
    pub(crate) rows: Vec<Row>,
    /// For `vhost-user`.
    pub(crate) service: Option<vhost::Service>,
}

/// Binds every queue of every port and gives each its peer.
///
/// # Errors
/// Memory, a bind, or a peer's file failed.
pub(crate) fn queues(
    cli: &Cli,
    ports: &mut [Port],
    inherited: Option<OwnedFd>,
    control: &Arc<Control>,
) -> Result<Parts, Error> {
    if let [left, right] = &ports[..] {
        let unequal = length::unequal([left, right].map(|port| (port.ifname.as_str(), port.mtu)));
        unequal.iter().for_each(|text| say(PROGRAM, &format!("warning: {text}")));
    }
    let Some((port, second)) = ports.split_first_mut() else { return Ok(Parts::default()) };
    let station = Station { mac: port.mac, ifindex: port.ifindex };
    let queues = port.sockets.len() + second.iter().map(|port| port.sockets.len()).sum::<usize>();
    let share = share(cli, queues);
    let halves = bind_all(cli, share, port)?;
    let mut others = match second.first_mut() {
        Some(second) => bind_all(cli, share, second)?.into_iter(),
        None => vec![].into_iter(),
    };
    let (made, service) = match &cli.peer {
        PeerSpec::VhostUser(spec) => {
            let (made, service) =
                vhost::make(&spec.on(port.mtu), port.first_queue, halves.len(), control)?;
            (made, Some(service))
        }
        _ => (peers::make(&cli.peer, station, inherited, halves.len())?, None),
    };
    let (mut queues, mut rows) = (vec![], vec![]);
    for (at, (half, peer)) in halves.into_iter().zip(made).enumerate() {
        let (peer, other) = match others.next() {
            Some(other) => forward(other),
            None => (peer, None),
        };
        queues.push(Queue {
            name: half.name(),
            counters: Arc::clone(&half.row.counters),
            sockets: vec![half.socket],
            peer,
            control: Arc::clone(control),
            spin: cli.spin,
            cpu: cpu(cli, at),
        });
        rows.push(half.row);
        rows.extend(other);
    }
    Ok(Parts { queues, rows, service })
}

fn forward(other: Half) -> (Box<dyn Peer>, Option<Row>) {
    let name = other.name();
    let peer = Forward::new(name, other.socket, Arc::clone(&other.row.counters));
    (Box::new(peer), Some(other.row))
}

fn bind_all(cli: &Cli, share: u32, port: &mut Port) -> Result<Vec<Half>, Error> {
    let sockets = std::mem::take(&mut port.sockets);
    cli.cpus.iter().try_for_each(|cpus| cpus.check(sockets.len()))?;
    let numbered = (port.first_queue..).zip(sockets).enumerate();
    numbered
        .map(|(at, (queue, socket))| {
            while_on(cpu(cli, at), || bind(cli, share, port, queue, socket))
        })
        .collect()
}

/// The processor of queue number `at` of this process.
fn cpu(cli: &Cli, at: usize) -> Option<usize> {
    cli.cpus.as_ref().and_then(|cpus| cpus.of(at))
}

/// The frames that each of `queues` may have, so that the first ones do not take what the last one
/// needs: an even share of the locked-memory limit, which CAP_IPC_LOCK lifts.
fn share(cli: &Cli, queues: usize) -> u32 {
    let moot = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let limit =
        rustix::process::getrlimit(Resource::Memlock).current.filter(|_| !moot).unwrap_or(u64::MAX);
    let frames = limit / u64::from(cli.frame_size) / queues.max(1) as u64;
    cli.frames.min(u32::try_from(frames).unwrap_or(u32::MAX)).max(cli.frames.min(LEAST))
}

fn bind(cli: &Cli, share: u32, port: &Port, queue: u32, socket: Unbound) -> Result<Half, Error> {
    let failed = |error| error::socket(&format!("{} queue {queue}", port.ifname), &error);
    let ready = socket.prepare(&memory(cli, share)).map_err(failed)?;
    let frames = ready.frames();
    if frames < cli.frames as usize {
        let short = format!(
            "{} queue {queue}: {frames} frames of UMEM instead of {}: the limit of locked memory is short",
            port.ifname, cli.frames
        );
        say(PROGRAM, &short);
    }
    let copy = if port.force_copy { CopyMode::ForceCopy } else { CopyMode::Auto };
    let mut options = BindOptions::default().copy(copy);
    if let Some(longest) = length::bound_for(port.mtu, cli.frame_size) {
        options = options.longest(longest);
    }
    let socket = ready.bind(port.ifindex, queue, &options);
    let socket = socket.map_err(|refused| failed(refused.error))?;
    let row = Row {
        ifname: port.ifname.clone(),
        queue,
        mode: port.mode.clone().unwrap_or_default(),
        zero_copy: socket.zero_copy(),
        frames,
        longest: socket.longest(),
        monitor: socket.monitor(),
        counters: Arc::new(Counters::default()),
    };
    Ok(Half { socket, row })
}

/// A generator needs frames to send and few to receive; for everybody else a quarter is kept for
/// sending.
fn memory(cli: &Cli, frames: u32) -> Config {
    let config = Config::default().frames(frames).frame_size(cli.frame_size);
    match cli.peer {
        PeerSpec::Generate(_) => config.tx_reserve(frames * 3 / 4),
        _ => config,
    }
}

/// What the options ask of each other.
///
/// # Errors
/// `forward` without a second netdev, or a second one without `forward`; numbers of queues that
/// differ.
pub(crate) fn check(cli: &Cli, queues: &[u32]) -> Result<(), Error> {
    let forward = cli.peer == PeerSpec::Forward;
    match queues {
        [_] if forward => {
            Err(error::usage("--peer forward", "it needs a second --netdev to forward to"))
        }
        [_] => Ok(()),
        [_, _] if !forward => {
            Err(error::usage("--netdev", "a second one is for --peer forward only"))
        }
        [a, b] if a == b => Ok(()),
        [a, b] => {
            let message = format!("it joins queue with queue, but the netdevs have {a} and {b}");
            Err(error::usage("--peer forward", &message).hint("give both the same queues="))
        }
        _ => Err(error::usage("--netdev", "one, or two with --peer forward")),
    }
}
