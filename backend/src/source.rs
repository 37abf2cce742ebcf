// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the sockets of a netdev come from: inherited by number (`inhibit=on,sock-fds=…`), or
//! acquired from the helper.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use xsk_client::Request;
use xsk_client::netdev::{self, Netdev, Options, Place};
use xsk_client::proto::exit;
use xsk_command::{Patience, link, warnings, with_groups};
use xsk_netlink::Link;
use xsk_socket::Unbound;

use crate::cli::Cli;
use crate::error::{self, Error, PROGRAM};
use crate::held_lease::{self, HeldLease};
use crate::life::Life;
use crate::peer_spec::PeerSpec;
use crate::{length, sys};

/// A netdev with its sockets, in queue order.
#[derive(Debug)]
pub(crate) struct Port {
    /// The interface.
    pub ifname: String,
    /// Its index.
    pub ifindex: u32,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its MTU.
    pub mtu: u32,
    /// The queue of the first socket.
    pub first_queue: u32,
    /// `force-copy=on`.
    pub force_copy: bool,
    /// How the program is attached, where the helper said so.
    pub mode: Option<String>,
    /// The sockets.
    pub sockets: Vec<Unbound>,
    /// The lease, if its connection is known. An acquired one lasts as long as this.
    pub lease: Option<HeldLease>,
}

/// The descriptors of a command line.
pub(crate) struct Taken {
    /// Each netdev with its descriptors.
    pub(crate) netdevs: Vec<(Netdev, Inherited)>,
    /// The peer's.
    pub(crate) peer: Option<OwnedFd>,
    /// Those on which its life hangs.
    pub(crate) life: Life,
}

/// The descriptors of a netdev.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// The sockets, if the netdev names them.
    sockets: Vec<OwnedFd>,
    /// The connection of their lease, if the environment names it.
    connection: Option<OwnedFd>,
}

/// Reads the netdevs and takes over the descriptors that they, the peer and the options of a life
/// name. To be called before anything else is opened.
///
/// # Errors
/// QEMU's sentences for what QEMU refuses.
pub(crate) fn read(
    texts: &[String],
    peer: Option<RawFd>,
    life: [Option<RawFd>; 2],
) -> Result<Taken, Error> {
    let read = parse_all(texts)?;
    let numbers = numbers(&read)?;
    let connections = held_lease::connections_of(&numbers);
    let others = connections.iter().copied().chain([peer]).chain(life).flatten();
    let all: Vec<RawFd> = numbers.iter().flatten().copied().chain(others).collect();
    let mut inherited = adopt(&all)?.into_iter();
    let mut sockets: Vec<Vec<OwnedFd>> = Vec::new();
    for numbers in &numbers {
        sockets.push(inherited.by_ref().take(numbers.len()).collect());
    }
    let mut taken = |number: Option<RawFd>| number.and_then(|_| inherited.next());
    let mut netdevs = Vec::new();
    for ((netdev, sockets), connection) in read.into_iter().zip(sockets).zip(connections) {
        netdevs.push((netdev, Inherited { sockets, connection: taken(connection) }));
    }
    Ok(Taken { netdevs, peer: taken(peer), life: Life::of(life.map(taken)) })
}

/// Takes over descriptors, once and before anything else is opened.
pub(crate) fn adopt(numbers: &[RawFd]) -> Result<Vec<OwnedFd>, Error> {
    sys::adopt(numbers).map_err(|(number, error)| {
        usage("sock-fds", format!("descriptor {number} cannot be used: {error}"))
            .hint("let xsk-client run start this program, or leave out sock-fds and inhibit")
    })
}

/// Reads the netdevs.
pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Netdev>, Error> {
    texts.iter().map(|text| parse(text)).collect()
}

/// The sockets that each of the netdevs names.
pub(crate) fn numbers(netdevs: &[Netdev]) -> Result<Vec<Vec<RawFd>>, Error> {
    let of = |netdev: &Netdev| {
        let options = netdev.options();
        let sockets =
            options.sockets().map_err(|error| usage(&options.ifname, error.to_string()))?;
        Ok(sockets.unwrap_or_default())
    };
    netdevs.iter().map(of).collect()
}

fn usage(object: &str, message: String) -> Error {
    error::usage(object, &message)
}

/// A mistake in a netdev.
fn of_netdev(text: &str, error: &netdev::Error) -> Error {
    usage(text, error.to_string()).hint(error.hint())
}

fn parse(text: &str) -> Result<Netdev, Error> {
    let netdev =
        Netdev::parse(OsStr::new(text), Place::Backend).map_err(|error| of_netdev(text, &error))?;
    let netdev = netdev
        .ok_or_else(|| usage(text, "only netdevs of type af-xdp are served here".to_owned()))?;
    if netdev.options().map_path.is_some() {
        return Err(usage(
            "map-path",
            "it is refused, since a map exposes every queue of the interface".to_owned(),
        )
        .hint("leave out map-path and inhibit, and the sockets come from xsk-helper"));
    }
    netdev.check().map_err(|error| of_netdev(text, &error))?;
    Ok(netdev)
}

/// Makes a port of a netdev: of its inherited sockets, or of acquired ones.
///
/// # Errors
/// There is no such interface, the helper refuses, a descriptor is not a fresh AF_XDP socket.
pub(crate) fn open(
    options: &Options,
    inherited: Inherited,
    cli: &Cli,
    patience: &Patience,
) -> Result<Port, Error> {
    if options.sock_fds.is_some() {
        inherit(options, inherited, &cli.peer)
    } else {
        ask(options, cli, patience)
    }
}

fn inherit(options: &Options, inherited: Inherited, peer: &PeerSpec) -> Result<Port, Error> {
    let ifname = &options.ifname;
    let sockets = fresh(ifname, inherited.sockets)?;
    let far = sockets.first().and_then(|socket| sys::far_interface(socket.as_fd()));
    let (ifindex, mac, mtu) = match far {
        Some(ifindex) => (ifindex, [0; 6], without_sight(ifname, peer)?),
        None => near(ifname)?,
    };
    let mode = options.mode.map(|mode| mode.to_string());
    let (first_queue, force_copy) = (options.start_queue, options.force_copy);
    Ok(Port {
        ifname: ifname.clone(),
        ifindex,
        mac,
        mtu,
        first_queue,
        force_copy,
        mode,
        sockets,
        lease: inherited
            .connection
            .map(|connection| HeldLease::inherited(ifname.clone(), connection)),
    })
}

/// What is known of an interface of this namespace.
fn near(ifname: &str) -> Result<(u32, [u8; 6], u32), Error> {
    let found = link(ifname).map_err(|error| error::io(ifname, "ask for the interface", error))?;
    let Link { ifindex, mac, mtu, .. } = found.ok_or_else(|| {
        let message = format!("there is no interface '{ifname}'");
        Error::new(exit::CONFIGURATION, "no-such-interface", ifname, message)
            .hint("list the interfaces of this network namespace: ip link")
    })?;
    Ok((ifindex, mac, mtu))
}

/// Returns the MTU to go by where the interface cannot be seen. A peer that needs the interface's
/// address is refused.
fn without_sight(ifname: &str, peer: &PeerSpec) -> Result<u32, Error> {
    match peer.lacks_address() {
        Some(option) => Err(usage(
            ifname,
            "the interface is in another network namespace, where its address cannot be read"
                .to_owned(),
        )
        .hint(format!("give the peer the address: {option}=MAC"))),
        None => Ok(ETHERNET),
    }
}

/// The MTU of Ethernet.
const ETHERNET: u32 = 1500;

fn ask(options: &Options, cli: &Cli, patience: &Patience) -> Result<Port, Error> {
    let helper = &cli.helper;
    let mut request = Request::from(options);
    if helper.promisc {
        request = request.promisc();
    }
    // An interface that is not to be seen here is the helper's to refuse.
    let seen = patience.interface(&options.ifname)?.unwrap_or_default();
    if length::takes_several(seen.mtu, cli.frame_size) {
        request = request.frags();
    }
    let endpoint = helper.endpoint.endpoint();
    let filters = seen.ifindex > 0 && seen.filters();
    let mut lease =
        with_groups(PROGRAM, filters, request, |request| patience.acquire(&endpoint, request))?;
    let granted = &lease.granted;
    warnings(PROGRAM, granted);
    let (ifname, mode) = (granted.ifname.clone(), Some(granted.mode.to_string()));
    let (ifindex, mac, mtu, first_queue) =
        (granted.ifindex, granted.mac, granted.mtu, granted.first_queue);
    let sockets = fresh(&ifname, std::mem::take(&mut lease.sockets))?;
    Ok(Port {
        ifname,
        ifindex,
        mac,
        mtu,
        first_queue,
        force_copy: options.force_copy,
        mode,
        sockets,
        lease: Some(lease.into()),
    })
}

fn fresh(ifname: &str, sockets: Vec<OwnedFd>) -> Result<Vec<Unbound>, Error> {
    let adopt = |fd| Unbound::adopt(fd).map_err(|error| error::socket(ifname, &error));
    sockets.into_iter().map(adopt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(&[text.to_owned()], None, [None; 2]).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_qemu_refuses_is_refused_in_its_words() {
        let cases = [
            ("af-xdp,ifname=x,inhibit=on", "'inhibit=on' requires 'sock-fds' or 'map-path'"),
            ("af-xdp,ifname=x,sock-fds=5", "'sock-fds' and 'map-path' require 'inhibit=on'"),
            ("af-xdp,ifname=x,inhibit=on,sock-fds=5:6", "expected 1 socket fds, got 2"),
            ("af-xdp,ifname=x,queues=0", "invalid number of queues (0) for 'x'"),
            ("af-xdp,id=n0", "Parameter 'ifname' is missing"),
            ("af-xdp,ifname=x,color=red", "Invalid parameter 'color'"),
            ("af-xdp,ifname=x,mode=fast", "Parameter 'mode' does not accept value 'fast'"),
        ];
        for (text, message) in cases {
            assert!(refusal(text).contains(message), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn map_path_is_refused_with_the_reason() {
        let message = refusal("af-xdp,ifname=x,inhibit=on,map-path=/sys/fs/bpf/m");
        assert!(message.contains("a map exposes every queue of the interface"), "{message}");
    }

    #[test]
    fn other_netdevs_and_closed_descriptors_are_refused() {
        assert!(refusal("user,id=n0").contains("only netdevs of type af-xdp"));
        let message = refusal("af-xdp,ifname=x,inhibit=on,sock-fds=900001");
        assert!(message.starts_with("sock-fds: descriptor 900001 cannot be used"), "{message}");
    }
}
