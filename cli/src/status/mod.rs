// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client status`: what is leased, for people, for scripts and for Prometheus. The same bytes
//! on a terminal and in a pipe.
#![forbid(unsafe_code)]

mod args;

use std::io::Write;

use serde_json::{Value, json};
use xsk_client::Error;
use xsk_proto::{InterfaceStatus, LeaseStatus, StatusPart};

use crate::outcome::Outcome;

pub use args::{StatusArgs, StatusFormat};

/// Prints the status.
pub(crate) fn run(args: &StatusArgs) -> Outcome {
    let status = xsk_client::status(&args.endpoint.endpoint())?;
    let text = match args.chosen() {
        StatusFormat::Text => table(&status),
        StatusFormat::Json => format!("{:#}\n", json(&status)),
        StatusFormat::Prometheus => prometheus(&status),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Error::system("standard output", error))?;
    Ok(0)
}

fn interface_of<'a>(status: &'a StatusPart, lease: &LeaseStatus) -> Option<&'a InterfaceStatus> {
    let same = |i: &&InterfaceStatus| i.ifindex == lease.ifindex && i.netns_cookie == lease.netns_cookie;
    status.interfaces.iter().find(same)
}

fn name(ifname: &str, ifindex: u32) -> String {
    if ifname.is_empty() { format!("({ifindex}, gone)") } else { ifname.to_owned() }
}

fn range(first: u32, count: u32) -> String {
    match count {
        1 => first.to_string(),
        _ => format!("{first}-{}", first.saturating_add(count.saturating_sub(1))),
    }
}

fn numbers(numbers: &[u32]) -> String {
    if numbers.is_empty() {
        return "-".into();
    }
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn age(seconds: u64) -> String {
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn confined(device: bool, queue: bool) -> &'static str {
    match (device, queue) {
        (_, true) => "queue",
        (true, false) => "device",
        (false, false) => "no",
    }
}

fn table(status: &StatusPart) -> String {
    let head = ["INTERFACE", "QUEUES", "UID", "AGE", "MODE", "CONFINED", "IDLE", "CLIENT", "KEEPER", "RULE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for lease in &status.leases {
        let mode = interface_of(status, lease).map_or("-", |interface| interface.mode.name());
        rows.push(vec![
            name(&lease.ifname, lease.ifindex),
            range(lease.first_queue, lease.queues),
            lease.uid.to_string(),
            age(lease.age),
            mode.into(),
            confined(lease.confinement.device, lease.confinement.queue).into(),
            numbers(&lease.idle),
            lease.client.to_string(),
            lease.keeper.to_string(),
            lease.rule.clone(),
        ]);
    }
    let mut text = align(&rows);
    for interface in status.interfaces.iter().filter(|interface| !interface.orphans.is_empty()) {
        let (ifname, orphans) = (name(&interface.ifname, interface.ifindex), numbers(&interface.orphans));
        text += &format!("{ifname}: queues in use that no lease accounts for: {orphans}\n");
    }
    text
}

/// Columns two spaces apart, nothing at the end of a line.
fn align(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(i, cell)| format!("{cell:<0$}", width(i).unwrap_or(0)));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn json(status: &StatusPart) -> Value {
    let interfaces: Vec<Value> = status.interfaces.iter().map(interface_json).collect();
    let leases: Vec<Value> = status.leases.iter().map(lease_json).collect();
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

fn lease_json(lease: &LeaseStatus) -> Value {
    json!({
        "lease": lease.lease,
        "ifname": lease.ifname,
        "ifindex": lease.ifindex,
        "netns_cookie": lease.netns_cookie,
        "first_queue": lease.first_queue,
        "queues": lease.queues,
        "uid": lease.uid,
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
        metric("xsk_lease_queues", "Queues that a lease holds.", &leases(|lease| lease.queues.into())),
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

    #[test]
    fn the_table_is_aligned_and_has_no_trailing_spaces() {
        let expected = "\
INTERFACE  QUEUES  UID   AGE    MODE    CONFINED  IDLE  CLIENT  KEEPER  RULE
eth1       0-1     1000  1m01s  native  device    1     50      51      /etc/xsk-helper/policy.toml:3
eth1: queues in use that no lease accounts for: 3
";
        assert_eq!(table(&sample()), expected);
        assert_eq!(table(&StatusPart::default()).lines().count(), 1);
    }

    #[test]
    fn json_and_prometheus_say_the_same() {
        let json = json(&sample());
        assert_eq!(json["leases"][0]["queues"], 2);
        assert_eq!(json["interfaces"][0]["mode"], "native");
        let text = prometheus(&sample());
        assert!(
            text.contains("xsk_lease_queues{lease=\"9\",ifname=\"eth1\",uid=\"1000\",first_queue=\"0\"} 2\n")
        );
        assert!(text.contains("xsk_interface_orphan_queues{ifname=\"eth1\",ifindex=\"4\",netns_cookie=\"1\",mode=\"native\"} 1\n"), "{text}");
    }
}
