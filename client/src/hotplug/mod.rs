// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client attach` and `detach`: the same hand-over into a QEMU that runs already. The sockets travel over
//! QMP with getfd, and so does the lease's connection: the lease lives as long as the netdev.

mod memory;
mod qmp;

use std::os::fd::AsFd;
use std::time::Duration;

use serde_json::{Map, Value, json};
use xsk_proto::Mode;

use crate::cli::{AttachArgs, DetachArgs, Outcome};
use crate::netdev::{Netdev, Options, Place, members_of};
use crate::{Error, Kind, Lease, Request, acquire};
use qmp::Qmp;

/// The name under which QEMU keeps a lease. QEMU takes a name for a number if it begins with a digit, and
/// splits names at a colon; an id has neither.
fn lease_name(id: &str) -> String {
    format!("xsk-{id}-lease")
}

fn socket_name(id: &str, index: usize) -> String {
    format!("xsk-{id}-{index}")
}

/// Plugs in.
pub(crate) fn attach(args: &AttachArgs) -> Outcome {
    let netdev = read(args)?;
    let options = netdev.options();
    let id = options.id.clone().unwrap_or_default();
    let mut qmp = Qmp::connect(&args.qmp)?;
    memory::check(&mut qmp, options.queues)?;
    let mut request = Request::from(options);
    if args.promisc {
        request = request.promisc();
    }
    let lease = acquire(&args.endpoint.endpoint(), &request)?;
    let names: Vec<String> = (0..lease.sockets.len()).map(|index| socket_name(&id, index)).collect();
    if let Err(error) = plug(&mut qmp, args, &id, options, &lease, &names) {
        roll_back(&mut qmp, &id, &names);
        return Err(error);
    }
    println!(
        "{id}: {} of {} in QEMU, mode {}",
        counted(lease.sockets.len()),
        lease.granted.ifname,
        lease.granted.mode
    );
    Ok(0)
}

fn counted(queues: usize) -> String {
    if queues == 1 { "1 queue".into() } else { format!("{queues} queues") }
}

fn read(args: &AttachArgs) -> Result<Netdev, Error> {
    let shown = args.netdev.to_string_lossy();
    let wrong = |message: String| {
        Error::new(Kind::Usage, "NETDEV", format!("{shown}: {message}")).hint("xsk-client attach --help")
    };
    let netdev = Netdev::parse(&args.netdev, Place::Netdev)
        .map_err(|error| wrong(error.to_string()))?
        .ok_or_else(|| wrong("the netdev is not of type af-xdp".into()))?;
    if netdev.options().complete() || netdev.options().inhibit {
        return Err(wrong(
            "the sockets come from the helper: leave out inhibit, sock-fds and map-path".into(),
        ));
    }
    netdev.check().map_err(|error| wrong(error.to_string()))?;
    Ok(netdev)
}

fn plug(
    qmp: &mut Qmp,
    args: &AttachArgs,
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
    if let Some(device) = &args.device {
        let added = device_json(device, id).and_then(|device| qmp.run("device_add", device));
        if let Err(error) = added {
            // The netdev has taken the sockets; with it they go.
            let _ = qmp.run("netdev_del", json!({ "id": id }));
            return Err(error);
        }
    }
    Ok(())
}

/// Takes back whatever QEMU still has under our names. What is not there is an error that changes nothing.
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

/// The card. QEMU reads these values with their types (`device_add` takes JSON since 6.2), so what looks like a
/// number or a switch is sent as one.
fn device_json(text: &str, netdev: &str) -> Result<Value, Error> {
    let mut device: Map<String, Value> = Map::new();
    for (key, value) in members_of(text.as_ref()) {
        device.insert(key, typed(&value));
    }
    if !device.contains_key("driver") {
        return Err(Error::new(Kind::Usage, "--device", "--device: Parameter 'driver' is missing"));
    }
    device.insert("netdev".into(), netdev.into());
    device.entry("id").or_insert_with(|| device_id(netdev).into());
    Ok(Value::Object(device))
}

fn typed(value: &str) -> Value {
    match value {
        "on" | "yes" | "true" | "y" => true.into(),
        "off" | "no" | "false" | "n" => false.into(),
        _ => value.parse::<i64>().map_or_else(|_| value.into(), Value::from),
    }
}

fn device_id(netdev: &str) -> String {
    format!("dev-{netdev}")
}

/// Unplugs. Each step is tried even if the one before it found nothing, since what is there has to go.
pub(crate) fn detach(args: &DetachArgs) -> Outcome {
    let mut qmp = Qmp::connect(&args.qmp)?;
    let device = args.device.clone().unwrap_or_else(|| device_id(&args.id));
    match qmp.run("device_del", json!({ "id": device })) {
        Ok(_) => qmp.wait_deleted(&device, Duration::from_secs(args.wait))?,
        // Without --device the card is a guess, and there may be none.
        Err(error) if args.device.is_some() => return Err(error),
        Err(_) => {}
    }
    let removed = qmp.run("netdev_del", json!({ "id": args.id }));
    let closed = qmp.run("closefd", json!({ "fdname": lease_name(&args.id) }));
    removed?;
    closed.map_err(|error| {
        error.or_hint("the netdev is gone; it was not attached by this command, or not over this socket")
    })?;
    println!("{}: gone from QEMU, and its lease is over", args.id);
    Ok(0)
}
