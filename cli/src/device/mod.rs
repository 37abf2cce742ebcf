// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices for managers that know a network card by a vhost-user socket: a file each, which a
//! systemd unit serves. This writes and removes the file, and says what libvirt has to know.
#![forbid(unsafe_code)]

mod args;
mod place;
mod xml;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use xsk_client::netdev::{Netdev, Place as Grammar};
use xsk_command::{Failure, link, rx_queues, say};
use xsk_netlink::Link;
use xsk_proto::exit;

use crate::outcome::{Outcome, PROGRAM};

pub use args::{AddArgs, DeviceArgs, DeviceCommand};
use place::Place;
use xml::Card;

/// Does what the arguments say.
pub(crate) fn run(args: &DeviceArgs) -> Outcome {
    let place = Place::here()?;
    match &args.command {
        DeviceCommand::Add(args) => add(&place, args)?,
        DeviceCommand::Remove { name } => remove(&place, name)?,
        DeviceCommand::List => list(&place)?,
    }
    Ok(0)
}

fn add(place: &Place, args: &AddArgs) -> Result<(), Failure> {
    let netdev = parse(&args.netdev)?;
    let options = netdev.options();
    let seen = interface(&options.ifname)?;
    write(&place.file(&args.name), &args.netdev)?;
    start(place, &args.name)?;
    let all = || rx_queues(&seen).saturating_sub(options.start_queue);
    let queues = if options.all_queues { all() } else { options.queues };
    let socket = place.socket(&args.name);
    println!("{}", Card { socket: &socket, mac: seen.mac, mtu: seen.mtu, queues }.xml());
    Ok(())
}

/// A netdev whose sockets the backend asks for.
fn parse(text: &str) -> Result<Netdev, Failure> {
    let usage = |message: String| Failure::usage(text, format!("{text}: {message}"));
    let netdev =
        Netdev::parse(OsStr::new(text), Grammar::Backend).map_err(|e| usage(e.to_string()))?;
    let netdev =
        netdev.ok_or_else(|| usage("only netdevs of type af-xdp are served".to_owned()))?;
    netdev.check().map_err(|error| usage(error.to_string()))?;
    if netdev.options().inhibit {
        let message =
            "a device asks for its sockets when it starts, so none can be named".to_owned();
        return Err(usage(message).hint("leave out inhibit, sock-fds and map-path"));
    }
    if text.contains('\n') {
        return Err(usage("the option string is one line".to_owned()));
    }
    Ok(netdev)
}

fn interface(ifname: &str) -> Result<Link, Failure> {
    let system = |error| failed(ifname, "ask for the interface", &error);
    link(ifname).map_err(system)?.ok_or_else(|| {
        let message = format!("there is no interface '{ifname}'");
        Failure::new(exit::CONFIGURATION, "no-such-interface", ifname, message)
            .hint("list them: ip link")
    })
}

/// Writes the file of a new device. One that is there with the same netdev is left as it is.
fn write(file: &Path, netdev: &str) -> Result<(), Failure> {
    let name = file.display().to_string();
    let known = fs::read_to_string(file).ok();
    if known.as_deref().is_some_and(|known| known.trim() == netdev) {
        return Ok(());
    }
    if file.exists() {
        let message = format!("{name}: there is such a device, with another netdev");
        return Err(Failure::new(exit::CONFIGURATION, "exists", &name, message).hint(
            "remove it first: xsk-client device remove NAME, or edit the file and restart the unit",
        ));
    }
    let folder = file.parent().unwrap_or(file);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, format!("{netdev}\n")));
    written.map_err(|error| failed(&name, "write the file", &error))
}

/// Starts the unit, now and from the next boot on, or says what to run in its place.
fn start(place: &Place, name: &str) -> Result<(), Failure> {
    if place.is_managed() {
        return systemctl(place, &["enable", "--now"], name);
    }
    let command = place.command(name);
    say(
        PROGRAM,
        &format!("no systemd manager runs here to start the device; start it with: {command}"),
    );
    Ok(())
}

fn remove(place: &Place, name: &str) -> Result<(), Failure> {
    let file = place.file(name);
    let shown = file.display().to_string();
    if !file.exists() {
        let message = format!("there is no device '{name}': {shown} does not exist");
        return Err(Failure::new(exit::CONFIGURATION, "no-such-device", name, message)
            .hint("list them: xsk-client device list"));
    }
    if place.is_managed() {
        systemctl(place, &["disable", "--now"], name)?;
    }
    fs::remove_file(&file).map_err(|error| failed(&shown, "remove the file", &error))
}

fn systemctl(place: &Place, words: &[&str], name: &str) -> Result<(), Failure> {
    let mut command = place.systemctl(words, name);
    let status = command.status().map_err(|error| failed("systemctl", "run it", &error))?;
    if status.success() {
        return Ok(());
    }
    let message =
        format!("systemctl could not {} the unit of device '{name}': {status}", words.join(" "));
    Err(Failure::new(exit::CONFIGURATION, "unit", name, message)
        .hint(format!("see what it says: journalctl --user-unit xsk-backend@{name}, for root -u")))
}

fn list(place: &Place) -> Result<(), Failure> {
    let shown = place.files.display().to_string();
    let entries = match fs::read_dir(&place.files) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| failed(&shown, "read the folder", &error))?,
    };
    let files = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension() == Some(OsStr::new("conf"))).collect();
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&file).unwrap_or_default();
        println!("{name:20} {:10} {}", state(place, &name), text.trim());
    }
    Ok(())
}

/// The state of a device's unit in systemd's words.
fn state(place: &Place, name: &str) -> String {
    if !place.is_managed() {
        return "unmanaged".to_owned();
    }
    let said = place.systemctl(&["is-active"], name).output();
    said.map_or_else(
        |_| "unknown".to_owned(),
        |said| String::from_utf8_lossy(&said.stdout).trim().to_owned(),
    )
}

fn failed(object: &str, step: &str, error: &io::Error) -> Failure {
    Failure::new(exit::CONFIGURATION, "system", object, format!("{object}: cannot {step}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_names_no_sockets() {
        assert!(parse("af-xdp,ifname=eth1,queues=2").is_ok());
        let refused = |text: &str| parse(text).unwrap_err().to_string();
        assert!(refused("af-xdp,ifname=x,inhibit=on,sock-fds=5").contains("none can be named"));
        assert!(refused("user,id=n0").contains("only netdevs of type af-xdp"));
        assert!(refused("af-xdp,id=n0").contains("'ifname' is missing"));
    }
}
