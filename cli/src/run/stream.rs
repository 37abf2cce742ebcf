// SPDX-License-Identifier: MIT OR Apache-2.0
//! A QEMU that gets its frames over a unix socket: xsk-backend holds the sockets. From QEMU 8.0 on
//! the socket has a path, so that QEMU connects again to a backend that was started again. Before
//! that, and behind `-nic` and `-net`, QEMU gets one end of a socketpair; if the backend dies, QEMU
//! runs on without its network, as with a cable pulled (net/stream.c).
#![forbid(unsafe_code)]

use std::ffi::OsString;

use xsk_client::Error;
use xsk_client::descriptors::{above_streams, survive_exec};
use xsk_client::netdev::Place;

use super::backend::{self, Backends};
use super::leased::Leased;
use super::start::Start;
use super::target::Target;
use crate::qemu::Described;
use crate::sys::packet;

/// QEMU's `-netdev stream` connects again from this version on.
const RECONNECTS: (u64, u64) = (8, 0);

/// How QEMU connects again, where it does.
pub(super) fn reconnect(qemu: Option<&Described>) -> Option<&'static str> {
    qemu.filter(|qemu| qemu.version >= RECONNECTS).map(Described::reconnect)
}

/// Starts the backend of this lease, and rewrites the command.
pub(super) fn start(
    start: &mut Start,
    leased: &Leased,
    backends: &Backends,
    reconnect: Option<&str>,
) -> Result<(), Error> {
    match reconnect.filter(|_| leased.target.option() == Some(Place::Netdev)) {
        Some(reconnect) => by_path(start, leased, backends, reconnect),
        None => by_pair(start, leased, backends),
    }
}

fn by_path(
    start: &mut Start,
    leased: &Leased,
    backends: &Backends,
    reconnect: &str,
) -> Result<(), Error> {
    let folder = backend::fresh_folder()?;
    let path = backend::escaped(&folder.join("stream"));
    backends.start(leased, &format!("stream={path},server=on"), None, Some(&folder))?;
    put(&leased.target, &addressed(&path, reconnect), &mut start.command);
    Ok(())
}

fn addressed(path: &str, reconnect: &str) -> String {
    format!("server=off,addr.type=unix,addr.path={path},{reconnect}")
}

fn by_pair(start: &mut Start, leased: &Leased, backends: &Backends) -> Result<(), Error> {
    let system = |step| move |errno| Error::system(step, errno);
    let (qemu, backend) = packet::stream_pair().map_err(system("socketpair"))?;
    let qemu = above_streams(qemu).map_err(system("fcntl"))?;
    let backend = above_streams(backend).map_err(system("fcntl"))?;
    let peer = format!("stream=fd:{}", backend::number(&backend));
    backends.start(leased, &peer, Some(&backend), None)?;
    let fd = survive_exec(qemu).map_err(system("fcntl"))?;
    put(&leased.target, &inherited(&leased.target, &fd.to_string()), &mut start.command);
    Ok(())
}

fn inherited(target: &Target, fd: &str) -> String {
    if is_socket(target) { format!("fd={fd}") } else { format!("addr.type=fd,addr.str={fd}") }
}

/// `-netdev` has `stream` since QEMU 7.2; behind `-nic` and `-net` QEMU takes the older `socket`
/// only, which has the same framing.
fn is_socket(target: &Target) -> bool {
    matches!(target.option(), Some(Place::Nic | Place::Net))
}

fn put(target: &Target, address: &str, command: &mut [OsString]) {
    let options = target.netdev().options();
    let id = options.id.as_deref().map(|id| format!(",id={id}")).unwrap_or_default();
    let text = match is_socket(target) {
        true => format!("socket{id},{address}{}", target.netdev().rest_for_nic()),
        false => format!("stream{id},{address}"),
    };
    target.put(text.as_ref(), command, &mut Vec::new());
}

/// For a dry run: rewrites `command`, and returns the backend's.
pub(super) fn shown(
    target: &Target,
    command: &mut [OsString],
    reconnect: Option<&str>,
) -> Vec<OsString> {
    let options = target.netdev().options();
    match reconnect.filter(|_| target.option() == Some(Place::Netdev)) {
        Some(reconnect) => {
            put(target, &addressed("PATH", reconnect), command);
            backend::shown(options, "stream=PATH,server=on")
        }
        None => {
            put(target, &inherited(target, "FD"), command);
            backend::shown(options, "stream=fd:FD")
        }
    }
}
