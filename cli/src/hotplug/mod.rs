// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client attach` and `detach`: the same hand-over to a running QEMU. The sockets
//! travel over QMP with getfd, and so does the lease's connection: the lease lives as long as the
//! netdev.

mod args;
mod device;
mod memory;
mod qmp;

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use xsk_client::netdev::{Card, Netdev, Options, Place};
use xsk_client::{Error, Kind, Lease, Request};
use xsk_command::waiting;
use xsk_proto::Mode;

use crate::arrive;
use crate::outcome::{Outcome, PROGRAM};
use device::{Device, device_id};
use qmp::Qmp;

pub use args::{AttachArgs, DetachArgs};

/// The name under which QEMU keeps a lease. QEMU takes a name for a number if it begins with a
/// digit, and splits names at a colon; an id has neither.
fn lease_name(id: &str) -> String {
    format!("xsk-{id}-lease")
}

fn socket_name(id: &str, index: usize) -> String {
    format!("xsk-{id}-{index}")
}

/// Plugs in.
pub(crate) fn attach(args: &AttachArgs) -> Outcome {
    let patience = args.wait.begin(PROGRAM);
    let netdev = read(args)?;
    patience.interface(&netdev.options().ifname)?;
    let netdev = patience.settle(netdev)?;
    let options = netdev.options();
    let id = options.id.clone().unwrap_or_default();
    let mut qmp = connect(&args.qmp)?;
    let network = qmp.run("human-monitor-command", json!({ "command-line": "info network" }))?;
    let network = network.as_str().unwrap_or_default();
    check_id(network, &id)?;
    memory::check(&qmp, network, options.queues)?;
    let device = args.device.as_deref().map(|text| Device::read(text, &id)).transpose()?;
    let mut request = memory::declare(Request::from(options), &qmp, options.queues);
    if args.promisc {
        request = request.promisc();
    }
    let lease = arrive::acquire(&patience, &args.endpoint.endpoint(), request)?;
    memory::check_after(&qmp, lease.granted.memlock.leased)?;
    let names: Vec<String> =
        (0..lease.sockets.len()).map(|index| socket_name(&id, index)).collect();
    if let Err(error) = plug(&mut qmp, device, &id, options, &lease, &names) {
        roll_back(&mut qmp, &id, &names);
        return Err(error.into());
    }
    let card = args.device.as_deref().map(|text| Card::of_device(text.as_ref()));
    arrive::warn(&lease.granted, card.as_slice(), false);
    println!(
        "{id}: {} of {} in QEMU, mode {}",
        counted(lease.sockets.len()),
        lease.granted.ifname,
        lease.granted.mode
    );
    Ok(0)
}

/// An id that QEMU has would be refused by netdev_add, after getfd had replaced the lease of the
/// netdev that has it.
fn check_id(network: &str, id: &str) -> Result<(), Error> {
    let name = |line: &str| {
        line.trim_start_matches([' ', '\\']).split_once(": ").map(|(name, _)| name.to_owned())
    };
    if network.lines().filter_map(name).any(|name| name == id) {
        return Err(Error::new(
            Kind::Usage,
            id,
            format!("Duplicate ID '{id}': QEMU has that netdev already"),
        )
        .hint(format!("choose another id, or: xsk-client detach --qmp PATH {id}")));
    }
    Ok(())
}

fn counted(queues: usize) -> String {
    if queues == 1 { "1 queue".into() } else { format!("{queues} queues") }
}

fn read(args: &AttachArgs) -> Result<Netdev, Error> {
    let shown = args.netdev.to_string_lossy();
    let wrong = |message: String| {
        Error::new(Kind::Usage, "NETDEV", format!("{shown}: {message}"))
            .hint("xsk-client attach --help")
    };
    let netdev = Netdev::parse(&args.netdev, Place::Netdev)
        .map_err(|error| wrong(error.to_string()).hint(error.hint()))?
        .ok_or_else(|| wrong("the netdev is not of type af-xdp".into()))?;
    if netdev.options().complete() || netdev.options().inhibit {
        return Err(wrong(
            "the sockets come from the helper: leave out inhibit, sock-fds and map-path".into(),
        ));
    }
    netdev.check().map_err(|error| wrong(error.to_string()).hint(error.hint()))?;
    Ok(netdev)
}

fn plug(
    qmp: &mut Qmp,
    device: Option<Device>,
    id: &str,
    options: &Options,
    lease: &Lease,
    names: &[String],
) -> Result<(), Error> {
    for (name, socket) in names.iter().zip(&lease.sockets) {
        qmp.run_with("getfd", json!({ "fdname": name }), Some(socket.as_fd()))?;
    }
    qmp.run_with("getfd", json!({ "fdname": lease_name(id) }), Some(lease.connection.as_fd()))?;
    qmp.run("netdev_add", netdev_json(id, options, lease.granted.mode, names))?;
    let Some(device) = device else { return Ok(()) };
    device.add(qmp).inspect_err(|_| {
        // The netdev has taken the sockets; with it they go.
        let _ = qmp.run("netdev_del", json!({ "id": id }));
    })
}

/// Removes everything that QEMU still has under our names. If something is not there, that is an
/// error that changes nothing.
fn roll_back(qmp: &mut Qmp, id: &str, names: &[String]) {
    for name in names.iter().chain([&lease_name(id)]) {
        let _ = qmp.run("closefd", json!({ "fdname": name }));
    }
}

fn netdev_json(id: &str, options: &Options, mode: Mode, names: &[String]) -> Value {
    json!({
        "type": "af-xdp",
        "id": id,
        "ifname": options.ifname,
        "mode": mode.name(),
        "force-copy": options.force_copy,
        "queues": options.queues,
        "start-queue": options.start_queue,
        "inhibit": true,
        "sock-fds": names.join(":"),
    })
}

fn connect(path: &Path) -> Result<Qmp, Error> {
    waiting(PROGRAM, &format!("QEMU to answer on {}", path.display()), || Qmp::connect(path))
}

fn wait_deleted(qmp: &mut Qmp, device: &str, limit: Duration) -> Result<(), Error> {
    waiting(PROGRAM, &format!("the guest to release {device}"), || qmp.wait_deleted(device, limit))
}

/// Unplugs. Each step is tried even if the one before it found nothing, since something may be
/// left.
pub(crate) fn detach(args: &DetachArgs) -> Outcome {
    let mut qmp = connect(&args.qmp)?;
    let device = args.device.clone().unwrap_or_else(|| device_id(&args.id));
    match qmp.run("device_del", json!({ "id": device })) {
        Ok(_) => wait_deleted(&mut qmp, &device, args.wait)?,
        // An earlier detach gave up waiting; the guest may still release it.
        Err(error) if error.message.contains("in the process of unplug") => {
            wait_deleted(&mut qmp, &device, args.wait)?;
        }
        // Without --device the card is a guess, and there may be none.
        Err(_) if args.device.is_none() && qmp.not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let removed = qmp.run("netdev_del", json!({ "id": args.id }));
    let closed = qmp.run("closefd", json!({ "fdname": lease_name(&args.id) }));
    removed?;
    closed.map_err(|error| {
        error.or_hint(
            "the netdev is gone; it was not attached by this command, or not over this socket",
        )
    })?;
    println!("{}: removed from QEMU, and its lease has ended", args.id);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_qemu_has_is_refused() {
        let network = "dev-n0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n \\ n0: \
                       index=0,type=af-xdp,af-xdp0 to ve0\r\nn2: index=0,type=af-xdp,af-xdp0 to ve2\r\n";
        assert!(check_id(network, "n0").is_err() && check_id(network, "n2").is_err());
        assert!(check_id(network, "n1").is_ok() && check_id("", "n0").is_ok());
    }
}
