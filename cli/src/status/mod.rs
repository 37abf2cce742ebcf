// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client status`: what is leased, for people, for scripts and for Prometheus. The same bytes
//! on a terminal and in a pipe.
#![forbid(unsafe_code)]

mod args;
mod filter;
mod process;
mod table;

use std::io::IsTerminal;

use serde_json::{Value, json};
use xsk_command::waiting;
use xsk_proto::{InterfaceStatus, LeaseStatus, StatusPart};

use crate::outcome::{Outcome, PROGRAM, print};
use crate::sys::users;
use filter::Filter;
use table::Row;

pub use args::{StatusArgs, StatusFormat};

/// Prints the status, once or again and again.
pub(crate) fn run(args: &StatusArgs) -> Outcome {
    let filter = Filter::of(args)?;
    loop {
        let status = || xsk_client::status(&args.endpoint.endpoint());
        let mut status = waiting(PROGRAM, "the helper's answer", status)?;
        filter.apply(&mut status);
        let Some(pause) = args.watch else {
            return print(&shown(&status, args.chosen())).map(|()| 0);
        };
        print(&format!("{}{}", redraw(), shown(&status, StatusFormat::Text)))?;
        std::thread::sleep(pause);
    }
}

fn shown(status: &StatusPart, format: StatusFormat) -> String {
    let rows: Vec<Row> = status.leases.iter().map(row).collect();
    match format {
        StatusFormat::Text => table::text(status, &rows),
        StatusFormat::Json => format!("{:#}\n", json(status, &rows)),
        StatusFormat::Prometheus => prometheus(status),
    }
}

fn row(lease: &LeaseStatus) -> Row {
    let user = users::name(lease.uid).unwrap_or_else(|| lease.uid.to_string());
    Row { user, process: process::of(lease.client, lease.uid) }
}

/// On a terminal, what clears it; elsewhere the tables follow each other.
fn redraw() -> &'static str {
    if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" }
}

/// Returns whether the keeper has not yet written what the lease is: the client has no sockets.
fn is_being_granted(lease: &LeaseStatus) -> bool {
    lease.client == 0
}

fn interface_of<'a>(status: &'a StatusPart, lease: &LeaseStatus) -> Option<&'a InterfaceStatus> {
    let same =
        |i: &&InterfaceStatus| i.ifindex == lease.ifindex && i.netns_cookie == lease.netns_cookie;
    status.interfaces.iter().find(same)
}

fn json(status: &StatusPart, rows: &[Row]) -> Value {
    let interfaces: Vec<Value> = status.interfaces.iter().map(interface_json).collect();
    let leases: Vec<Value> =
        status.leases.iter().zip(rows).map(|(lease, row)| lease_json(lease, row)).collect();
    json!({ "interfaces": interfaces, "leases": leases })
}

fn interface_json(interface: &InterfaceStatus) -> Value {
    json!({
        "ifname": interface.ifname,
        "ifindex": interface.ifindex,
        "netns_cookie": interface.netns_cookie,
        "program_id": interface.program_id,
        "mode": interface.mode.name(),
        "orphans": interface.orphans,
    })
}

fn lease_json(lease: &LeaseStatus, row: &Row) -> Value {
    json!({
        "lease": lease.lease,
        "ifname": lease.ifname,
        "ifindex": lease.ifindex,
        "netns_cookie": lease.netns_cookie,
        "first_queue": lease.first_queue,
        "queues": lease.queues,
        "uid": lease.uid,
        "user": row.user,
        "name": row.process.name,
        "command": row.process.command,
        "granting": is_being_granted(lease),
        "client": lease.client,
        "keeper": lease.keeper,
        "age": lease.age,
        "rule": lease.rule,
        "confinement": { "device": lease.confinement.device, "queue": lease.confinement.queue },
        "idle": lease.idle,
    })
}

fn prometheus(status: &StatusPart) -> String {
    let of_lease = |lease: &LeaseStatus| {
        let name = label(&lease.ifname);
        format!(
            "lease=\"{}\",ifname=\"{name}\",uid=\"{}\",first_queue=\"{}\"",
            lease.lease, lease.uid, lease.first_queue
        )
    };
    let leases = |value: fn(&LeaseStatus) -> u64| {
        status.leases.iter().map(|lease| (of_lease(lease), value(lease))).collect::<Vec<_>>()
    };
    let interfaces = status.interfaces.iter().map(|interface| {
        // One that is gone or elsewhere has no name here.
        let labels = format!(
            "ifname=\"{}\",ifindex=\"{}\",netns_cookie=\"{}\",mode=\"{}\"",
            label(&interface.ifname),
            interface.ifindex,
            interface.netns_cookie,
            interface.mode
        );
        (labels, interface.orphans.len() as u64)
    });
    [
        metric(
            "xsk_lease_queues",
            "Queues that a lease holds.",
            &leases(|lease| lease.queues.into()),
        ),
        metric(
            "xsk_lease_idle_queues",
            "Queues of a lease whose socket is gone.",
            &leases(|l| l.idle.len() as u64),
        ),
        metric("xsk_lease_age_seconds", "Seconds since the grant.", &leases(|lease| lease.age)),
        metric(
            "xsk_interface_orphan_queues",
            "Queues in use that no lease accounts for, on interfaces with our program.",
            &interfaces.collect::<Vec<_>>(),
        ),
    ]
    .concat()
}

fn metric(name: &str, help: &str, samples: &[(String, u64)]) -> String {
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
    for (labels, value) in samples {
        text += &format!("{name}{{{labels}}} {value}\n");
    }
    text
}

fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use xsk_proto::{Confinement, Mode};

    fn sample() -> StatusPart {
        let confinement = Confinement { device: true, queue: false };
        StatusPart {
            interfaces: vec![InterfaceStatus {
                ifname: "eth1".into(),
                ifindex: 4,
                netns_cookie: 1,
                program_id: 77,
                mode: Mode::Native,
                orphans: vec![3],
            }],
            leases: vec![LeaseStatus {
                lease: 9,
                ifname: "eth1".into(),
                ifindex: 4,
                netns_cookie: 1,
                first_queue: 0,
                queues: 2,
                uid: 1000,
                client: 50,
                keeper: 51,
                age: 61,
                rule: "/etc/xsk-helper/policy.toml:3".into(),
                confinement,
                idle: vec![1],
            }],
            more: false,
        }
    }

    fn rows() -> Vec<Row> {
        let process = process::Process { command: "qemu".into(), name: "web".into() };
        vec![Row { user: "alice".into(), process }]
    }

    #[test]
    fn a_lease_that_is_being_granted_is_shown_as_such() {
        let mut status = sample();
        (status.leases[0].client, status.leases[0].lease, status.leases[0].age) = (0, 0, 0);
        let text = table::text(&status, &[Row::default()]);
        assert!(
            text.lines().nth(1).unwrap().split_whitespace().any(|cell| cell == "granting"),
            "{text}"
        );
    }

    #[test]
    fn the_table_is_aligned_and_has_no_trailing_spaces() {
        let expected = "\
INTERFACE  QUEUES  USER   NAME  COMMAND  CLIENT  AGE    MODE    CONFINED  IDLE  KEEPER  RULE
eth1       0-1     alice  web   qemu     50      1m01s  native  device    1     51      /etc/xsk-helper/policy.toml:3
eth1: queues in use that no lease accounts for: 3
";
        assert_eq!(table::text(&sample(), &rows()), expected);
        assert_eq!(table::text(&StatusPart::default(), &[]).lines().count(), 1);
    }

    #[test]
    fn json_and_prometheus_say_the_same() {
        let json = json(&sample(), &rows());
        assert_eq!(json["leases"][0]["name"], "web");
        assert_eq!(json["leases"][0]["granting"], false);
        assert_eq!(json["leases"][0]["queues"], 2);
        assert_eq!(json["interfaces"][0]["mode"], "native");
        let text = prometheus(&sample());
        assert!(text.contains(
            "xsk_lease_queues{lease=\"9\",ifname=\"eth1\",uid=\"1000\",first_queue=\"0\"} 2\n"
        ));
        assert!(text.contains("xsk_interface_orphan_queues{ifname=\"eth1\",ifindex=\"4\",netns_cookie=\"1\",mode=\"native\"} 1\n"), "{text}");
    }
}
