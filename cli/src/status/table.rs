// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of leases for people.
#![forbid(unsafe_code)]

use xsk_proto::{InterfaceStatus, LeaseStatus, StatusPart};

use super::process::Process;
use super::{interface_of, is_being_granted};
use crate::columns;

/// What the table shows beside what the helper says.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) user: String,
    pub(super) process: Process,
}

const HEAD: [&str; 12] = [
    "INTERFACE",
    "QUEUES",
    "USER",
    "NAME",
    "COMMAND",
    "CLIENT",
    "AGE",
    "MODE",
    "CONFINED",
    "IDLE",
    "KEEPER",
    "RULE",
];

/// One line for each lease, and one for each interface with sockets that no lease accounts for.
pub(super) fn text(status: &StatusPart, rows: &[Row]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned).to_vec()];
    cells.extend(status.leases.iter().zip(rows).map(|(lease, row)| line(status, lease, row)));
    let mut text = columns::align(&cells);
    for interface in status.interfaces.iter().filter(|interface| !interface.orphans.is_empty()) {
        text += &orphans(interface);
    }
    text
}

fn line(status: &StatusPart, lease: &LeaseStatus, row: &Row) -> Vec<String> {
    let mode = interface_of(status, lease).map_or("-", |interface| interface.mode.name());
    let granting = is_being_granted(lease);
    vec![
        name(&lease.ifname, lease.ifindex),
        range(lease.first_queue, lease.queues),
        row.user.clone(),
        or_dash(&row.process.name),
        or_dash(&row.process.command),
        if granting { "-".into() } else { lease.client.to_string() },
        if granting { "granting".into() } else { age(lease.age) },
        mode.into(),
        confined(lease.confinement.device, lease.confinement.queue).into(),
        numbers(&lease.idle),
        lease.keeper.to_string(),
        or_dash(&lease.rule),
    ]
}

fn orphans(interface: &InterfaceStatus) -> String {
    let (ifname, orphans) =
        (name(&interface.ifname, interface.ifindex), numbers(&interface.orphans));
    format!("{ifname}: queues in use that no lease accounts for: {orphans}\n")
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
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
