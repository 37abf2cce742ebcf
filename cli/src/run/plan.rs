// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a command line asks for: the netdevs that need sockets, and the request for each.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};

use xsk_client::netdev::{self, Found, Netdev, Place};
use xsk_client::{Error, Request};
use xsk_command::Patience;

use super::args::{Mac, RunArgs, usage};
use super::target::{Target, Where};
use super::way::Way;
use super::{guest, quote, stream, vhost};

/// Microseconds and frames a poll, where busy polling is asked for: the example of the kernel's
/// Documentation/networking/napi.rst.
const BUSY_POLL: (u32, u32) = (20, 64);

/// What there is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) command: Vec<OsString>,
    pub(super) targets: Vec<Target>,
    /// The netdevs that have their sockets already.
    pub(super) given: Vec<Found>,
}

impl Plan {
    /// Reads the command; what depends on an interface may be waited for.
    pub(super) fn make(args: &RunArgs, patience: &Patience) -> Result<Self, Error> {
        let found = netdev::find(&args.command).map_err(|error| of_netdev("command", &error))?;
        let (given, wanting): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| found.netdev.options().complete());
        let mut targets: Vec<Where> = wanting.into_iter().map(Where::Argument).collect();
        for text in &args.acquire {
            targets.push(Where::Variable(read_acquire(text)?));
        }
        check_ids(&targets)?;
        targets.iter().try_for_each(check_spelling)?;
        check_chosen("--promisc", &args.promisc, &targets)?;
        check_chosen("--busy-poll", &args.busy_poll, &targets)?;
        let settled = targets.into_iter().map(|place| settled(place, args.dry_run, patience));
        let settled = settled.collect::<Result<Vec<_>, _>>()?;
        let mut targets: Vec<_> =
            settled.into_iter().map(|place| with_request(place, args)).collect();
        let mut command = args.command.clone();
        if let Some(mac) = args.mac {
            guest::ask(mac, &mut targets, &command)?;
        }
        if (args.dry_run, args.mac) == (true, Some(Mac::Interface)) {
            targets.iter_mut().try_for_each(|target| guest::put(target, &mut command, "MAC"))?;
        }
        Ok(Self { command, targets, given })
    }

    /// Prints the command as it would be started, with words in the place of what only a lease
    /// tells.
    pub(super) fn print(&self, way: Way) {
        let mut command = self.command.clone();
        let mut variables = Vec::new();
        let by_backend = way.is_backend();
        let arguments = self.targets.iter().filter(|target| target.is_argument());
        let backends = match way {
            Way::Direct => Vec::new(),
            Way::Stream(reconnect) => {
                arguments.map(|target| stream::shown(target, &mut command, reconnect)).collect()
            }
            Way::VhostUser(fit) => vhost::shown(&self.targets, &mut command, fit),
        };
        backends.iter().for_each(|backend| println!("{}", quote::line(backend)));
        for target in self.targets.iter().filter(|target| !(by_backend && target.is_argument())) {
            let names = vec!["FD"; target.netdev().options().queues as usize].join(":");
            target.put(&target.netdev().with_names("MODE", &names), &mut command, &mut variables);
        }
        for (name, value) in &variables {
            print!("{}={} ", quote::word(name), quote::word(value));
        }
        println!("{}", quote::line(&command));
    }
}

/// A mistake in a netdev.
fn of_netdev(object: &str, error: &netdev::Error) -> Error {
    usage(object, &error.to_string()).hint(error.hint())
}

/// QEMU would refuse a wrong word after the sockets were acquired. Of one that is like no other it
/// may know more.
fn check_spelling(place: &Where) -> Result<(), Error> {
    let netdev = place.netdev();
    let shown = netdev.options().id.as_deref().unwrap_or(&netdev.options().ifname);
    match netdev.misspelt() {
        Some(error) => Err(usage(shown, &format!("netdev {shown}: {error}")).hint(error.hint())),
        None => Ok(()),
    }
}

fn read_acquire(text: &OsStr) -> Result<Netdev, Error> {
    let shown = text.to_string_lossy();
    let wrong = |message: String| usage("--acquire", &format!("--acquire {shown}: {message}"));
    let netdev = Netdev::parse(text, Place::Netdev)
        .map_err(|error| wrong(error.to_string()).hint(error.hint()))?
        .ok_or_else(|| wrong("the netdev is not of type af-xdp".into()))?;
    if netdev.options().complete() {
        return Err(wrong("it already has its sockets".into()));
    }
    Ok(netdev)
}

fn ids(targets: &[Where]) -> impl Iterator<Item = &str> {
    targets.iter().filter_map(|place| place.netdev().options().id.as_deref())
}

/// QEMU would refuse an id that occurs twice, after the sockets were acquired.
fn check_ids(targets: &[Where]) -> Result<(), Error> {
    let mut seen = Vec::new();
    for id in ids(targets) {
        if seen.contains(&id) {
            return Err(usage(id, &format!("Duplicate ID '{id}' for netdev")));
        }
        seen.push(id);
    }
    Ok(())
}

fn check_chosen(option: &str, chosen: &[String], targets: &[Where]) -> Result<(), Error> {
    match chosen.iter().find(|id| !id.is_empty() && !ids(targets).any(|known| known == id.as_str()))
    {
        Some(id) => Err(usage(
            option,
            &format!("{option}={id}: no af-xdp netdev in the command has that id"),
        )),
        None => Ok(()),
    }
}

/// With numbers for what depends on the interface. Where nothing will be acquired, the interface
/// need not be there.
fn settled(place: Where, dry_run: bool, patience: &Patience) -> Result<Where, Error> {
    if !dry_run {
        patience.interface(&place.netdev().options().ifname)?;
    }
    Ok(match place {
        Where::Argument(mut found) => {
            found.netdev = patience.settle(found.netdev)?;
            Where::Argument(found)
        }
        Where::Variable(netdev) => Where::Variable(patience.settle(netdev)?),
    })
}

fn with_request(place: Where, args: &RunArgs) -> Target {
    let options = place.netdev().options();
    let chosen = |list: &[String]| {
        list.iter().any(|id| id.is_empty() || options.id.as_deref() == Some(id.as_str()))
    };
    let mut request = Request::from(options);
    if chosen(&args.promisc) {
        request = request.promisc();
    }
    if chosen(&args.busy_poll) {
        request = request.busy_poll(BUSY_POLL.0, BUSY_POLL.1);
    }
    Target { place, request }
}
