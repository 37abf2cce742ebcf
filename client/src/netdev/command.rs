// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding the af-xdp netdevs in a command line, as QEMU walks it (`lookup_opt`, system/vl.c), and
//! putting new option strings in their places. The command may be a wrapper around QEMU, so what is
//! not one of QEMU's options is stepped over, and no argument that is not an af-xdp netdev is ever
//! touched.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{Error, Netdev, Place};

/// An af-xdp netdev in a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The argument that holds the option string.
    pub index: usize,
    /// The option before it.
    pub place: Place,
    /// The option string.
    pub netdev: Netdev,
    /// What stands before the option string in the same argument: `--netdev=` of `xsk-backend`, or
    /// nothing.
    prefix: &'static str,
}

impl Found {
    /// The whole argument with `text` as its option string.
    pub fn argument(&self, text: &OsStr) -> OsString {
        let mut argument = OsString::from(self.prefix);
        argument.push(text);
        argument
    }
}

/// The af-xdp netdevs of `command`, in order.
///
/// # Errors
/// The option as it stands in the command, with QEMU's sentence about it.
pub fn find(command: &[OsString]) -> Result<Vec<Found>, Error> {
    let backend_at = backend(command);
    let mut found = Vec::new();
    let mut index = 1;
    while let Some(argument) = command.get(index) {
        let backend = backend_at.is_some_and(|at| index > at);
        if let Some(text) =
            backend.then(|| argument.as_bytes().strip_prefix(BACKEND.as_bytes())).flatten()
        {
            found.extend(read(index, Place::Backend, OsStr::from_bytes(text), BACKEND)?);
            index += 1;
            continue;
        }
        let next = command.get(index + 1);
        match (option(argument), next) {
            (Some(name), Some(text)) if place(name, backend).is_some() => {
                let place = place(name, backend).unwrap_or(Place::Netdev);
                found.extend(read(index + 1, place, text, "")?);
                index += 2;
            }
            (Some(name), Some(next)) if takes_value(name, next) => index += 2,
            _ => index += 1,
        }
    }
    Ok(found)
}

/// The options of `command` that have a value, each with the place of that and its name. What
/// stands behind an option of a wrapper, or of free text, is a value too.
pub fn valued(command: &[OsString]) -> impl Iterator<Item = (usize, &[u8], &OsStr)> {
    let mut index = 1;
    std::iter::from_fn(move || {
        loop {
            let (argument, next) = (command.get(index)?, command.get(index + 1));
            index += 1;
            if let (Some(name), Some(text)) = (option(argument), next) {
                let known = place(name, false).is_some() || name == b"device";
                if known || takes_value(name, text) {
                    index += 1;
                    return Some((index - 1, name, text.as_os_str()));
                }
            }
        }
    })
}

/// `command` with the argument at `index` replaced.
pub fn replace(command: &mut [OsString], index: usize, argument: OsString) {
    if let Some(place) = command.get_mut(index) {
        *place = argument;
    }
}

const BACKEND: &str = "--netdev=";

/// Where `xsk-backend` stands in the command: first, or behind wrappers. Behind an option of QEMU's
/// it is a value.
fn backend(command: &[OsString]) -> Option<usize> {
    let at = command.iter().position(|word| is_backend(word))?;
    let before = command.get(..at)?.iter().filter_map(|word| option(word));
    let mut qemus = before
        .filter(|name| place(name, false).is_some() || TEXT.iter().any(|o| o.as_bytes() == *name));
    qemus.next().is_none().then_some(at)
}

fn is_backend(program: &OsStr) -> bool {
    std::path::Path::new(program).file_name() == Some(OsStr::new("xsk-backend"))
}

fn read(
    index: usize,
    place: Place,
    text: &OsStr,
    prefix: &'static str,
) -> Result<Option<Found>, Error> {
    match Netdev::parse(text, place) {
        Ok(netdev) => Ok(netdev.map(|netdev| Found { index, place, netdev, prefix })),
        Err(error) => {
            let option = match place {
                Place::Netdev => "-netdev",
                Place::Backend => "--netdev",
                Place::Nic => "-nic",
                Place::Net => "-net",
            };
            Err(error.within(&format!("{option} {}", text.to_string_lossy())))
        }
    }
}

/// The name of an option without its one or two hyphens.
fn option(argument: &OsStr) -> Option<&[u8]> {
    let name = argument.as_bytes().strip_prefix(b"-")?;
    Some(name.strip_prefix(b"-").unwrap_or(name)).filter(|name| !name.is_empty())
}

fn place(name: &[u8], backend: bool) -> Option<Place> {
    match name {
        b"netdev" if backend => Some(Place::Backend),
        b"netdev" => Some(Place::Netdev),
        b"nic" => Some(Place::Nic),
        b"net" => Some(Place::Net),
        _ => None,
    }
}

/// Whether the option `name` takes the next argument as its value, whatever that looks like. Of a
/// name that is not QEMU's this is a guess: yes, unless the next argument begins with a hyphen.
fn takes_value(name: &[u8], next: &OsStr) -> bool {
    let known = |list: &[&str]| list.iter().any(|option| option.as_bytes() == name);
    known(TEXT) || (!known(BARE) && !next.as_bytes().starts_with(b"-"))
}

/// QEMU's options without a value (qemu-options.hx of 7.2 and 10.2).
#[rustfmt::skip]
const BARE: &[&str] = &[
    "S", "async-teardown", "daemonize", "enable-fips", "enable-kvm", "enable-sync-profile", "full-screen", "h",
    "help", "jitdump", "mem-prealloc", "no-acpi", "no-fd-bootchk", "no-hpet", "no-reboot", "no-shutdown",
    "no-user-config", "nodefaults", "nographic", "only-migratable", "perfmap", "portrait", "preconfig", "s",
    "semihosting", "singlestep", "snapshot", "usb", "version", "win2k-hack", "xen-attach",
    "xen-domid-restrict",
];

/// QEMU's options whose value is free text, so that it may begin with a hyphen.
const TEXT: &[&str] =
    &["append", "name", "fw_cfg", "smbios", "kernel", "initrd", "D", "pidfile", "option-rom"];
