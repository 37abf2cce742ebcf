// SPDX-License-Identifier: MIT OR Apache-2.0
//! A QEMU whose virtio card is xsk-backend: it moves the frames between the guest's memory and the
//! queue. QEMU listens at a socket in a fresh folder, since it takes no descriptor for a chardev of
//! vhost-user ("chardev does not support FD passing"), and the backend connects, again and again.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};

use xsk_client::Error;
use xsk_client::netdev::{Place, members_of, replace, valued, with_number};

use super::backend::{self, Backends};
use super::guest_memory;
use super::leased::Leased;
use super::start::Start;
use super::target::Target;
use crate::qemu::Described;

/// What a command needs so that its netdevs can be vhost-user.
#[derive(Debug)]
pub(super) struct Fit {
    /// The words that share the guest's memory.
    memory: Vec<OsString>,
}

/// Whether the netdevs of a command can be vhost-user.
///
/// # Errors
/// Why they cannot.
pub(super) fn fit(
    targets: &[Target],
    command: &[OsString],
    qemu: Option<&Described>,
) -> Result<Fit, String> {
    let qemu = qemu.ok_or("QEMU does not say what machines it has")?;
    for target in targets.iter().filter(|target| target.is_argument()) {
        if target.option() != Some(Place::Netdev) {
            return Err("it takes a -netdev with a -device".into());
        }
        let id = target.netdev().options().id.as_deref().unwrap_or_default();
        if let Some(driver) =
            cards(command, id).find_map(|(_, driver)| (!is_virtio(&driver)).then_some(driver))
        {
            return Err(format!("the card of '{id}' is {driver}, and no virtio-net"));
        }
    }
    Ok(Fit { memory: guest_memory::share(command, qemu)? })
}

fn is_virtio(driver: &str) -> bool {
    driver.starts_with("virtio-net")
}

/// The cards that are plugged into a netdev: the place of each, and its driver.
fn cards(command: &[OsString], netdev: &str) -> impl Iterator<Item = (usize, String)> {
    let devices = valued(command).filter(|(_, name, _)| *name == b"device");
    devices.filter_map(move |(index, _, text)| Some((index, driver_on(text, netdev)?)))
}

fn driver_on(text: &OsStr, netdev: &str) -> Option<String> {
    let members = members_of(text);
    let of =
        |key: &str| members.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value);
    (of("netdev")? == netdev).then(|| of("driver").cloned()).flatten()
}

/// Starts the backends of these leases, and rewrites the command.
pub(super) fn start(
    start: &mut Start,
    held: &[Leased],
    fit: Fit,
    backends: &Backends,
) -> Result<(), Error> {
    let mut inserted = Vec::new();
    for leased in held {
        let folder = backend::fresh_folder()?;
        let path = backend::escaped(&folder.join("vhost"));
        let mtu = leased.lease.granted.mtu;
        backends.start(leased, &peer(&path, &mtu.to_string()), None, Some(&folder))?;
        put_mtu(&leased.target, &mut start.command, mtu);
        inserted.extend(put(&leased.target, &path, &mut start.command));
    }
    insert(&mut start.command, inserted, fit);
    Ok(())
}

/// It tries so often that the start of QEMU waits for nothing.
fn peer(path: &str, mtu: &str) -> String {
    format!("vhost-user={path},server=off,reconnect=0.2,mtu={mtu}")
}

/// Says the interface's MTU to the guest, where the user has not: a longer frame would be dropped.
fn put_mtu(target: &Target, command: &mut [OsString], mtu: u32) {
    let id = target.netdev().options().id.clone().unwrap_or_default();
    let places: Vec<usize> = cards(command, &id).map(|(index, _)| index).collect();
    for index in places {
        let Some(text) = command.get(index) else { continue };
        if !text.to_string_lossy().contains("host_mtu") {
            let text = with_number(text, "host_mtu", mtu);
            replace(command, index, text);
        }
    }
}

/// Rewrites the netdev, and returns the chardev to be put before its option.
fn put(target: &Target, path: &str, command: &mut [OsString]) -> Option<(usize, Vec<OsString>)> {
    let options = target.netdev().options();
    let id = options.id.as_deref().unwrap_or_default();
    let netdev = format!("vhost-user,id={id},chardev=xsk-{id},queues={}", options.queues);
    target.put(netdev.as_ref(), command, &mut Vec::new());
    let chardev = format!("socket,id=xsk-{id},path={path},server=on");
    Some((target.argument()?.checked_sub(1)?, vec!["-chardev".into(), chardev.into()]))
}

/// Puts words before options; the memory before the first of them.
fn insert(command: &mut Vec<OsString>, mut words: Vec<(usize, Vec<OsString>)>, fit: Fit) {
    words.sort_by_key(|(at, _)| *at);
    if let Some((_, first)) = words.first_mut() {
        first.splice(0..0, fit.memory);
    }
    for (at, words) in words.into_iter().rev() {
        command.splice(at..at, words);
    }
}

/// For a dry run: rewrites `command`, and returns the backends'.
pub(super) fn shown(
    targets: &[Target],
    command: &mut Vec<OsString>,
    fit: Fit,
) -> Vec<Vec<OsString>> {
    let mut inserted = Vec::new();
    let mut backends = Vec::new();
    for target in targets.iter().filter(|target| target.is_argument()) {
        inserted.extend(put(target, "PATH", command));
        backends.push(backend::shown(target.netdev().options(), &peer("PATH", "MTU")));
    }
    insert(command, inserted, fit);
    backends
}
