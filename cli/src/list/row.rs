// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface as the list shows it.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xsk_client::Error;
use xsk_proto::{Mode, Verdict};

use super::held::Held;
use crate::arrive::text_of;
use crate::columns;
use crate::doctor::attaches_natively;
use crate::nic::Nic;

/// One interface.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) nic: Nic,
    /// What the helper would grant, or why it would not.
    pub(super) verdict: Result<Verdict, Error>,
    pub(super) held: Held,
}

const HEAD: [&str; 12] = [
    "INTERFACE",
    "DRIVER",
    "LINK",
    "MTU",
    "MAC",
    "QUEUES",
    "YOURS",
    "OTHERS",
    "MODE",
    "MAY",
    "MEMLOCK",
    "RULE",
];

/// The table, and a line for each interface that cannot be used as it is.
pub(super) fn text(rows: &[Row]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(Row::cells));
    let mut text = columns::align(&cells);
    for row in rows {
        if let Err(error) = &row.verdict {
            text += &format!("{}: {error}\n  hint: {}\n", row.nic.name(), error.hint);
        }
    }
    text
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let verdict = self.verdict.as_ref().ok();
        let may = verdict.map(may).filter(|words| !words.is_empty());
        let memlock = verdict.map(|v| v.memlock_max >> 20).filter(|mib| *mib > 0);
        let others = self.held.others.as_ref().map_or_else(|| "?".into(), numbers);
        vec![
            self.nic.name().into(),
            if self.nic.driver.is_empty() { "-".into() } else { self.nic.driver.clone() },
            self.link().into(),
            self.nic.link.mtu.to_string(),
            text_of(self.nic.link.mac),
            self.held.queues.to_string(),
            numbers(&self.held.yours),
            others,
            self.mode().name().into(),
            may.map_or_else(|| "-".into(), |words| words.join(",")),
            memlock.map_or_else(|| "-".into(), |mib| format!("{mib} MiB")),
            verdict.map_or_else(|| "-".into(), |verdict| verdict.rule.clone()),
        ]
    }

    fn link(&self) -> &'static str {
        match (self.nic.link.up, self.nic.link.carrier) {
            (false, _) => "down",
            (true, false) => "no carrier",
            (true, true) => "up",
        }
    }

    /// As attached, or as the helper would.
    fn mode(&self) -> Mode {
        let attached = self.verdict.as_ref().ok().and_then(|verdict| verdict.mode);
        let own = if attaches_natively(&self.nic) { Mode::Native } else { Mode::Skb };
        attached.unwrap_or(own)
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Value {
        let link = &self.nic.link;
        let mut row = json!({
            "ifname": link.name,
            "ifindex": link.ifindex,
            "driver": self.nic.driver,
            "up": link.up,
            "carrier": link.carrier,
            "mtu": link.mtu,
            "mac": text_of(link.mac),
            "queues": self.held.queues,
            "yours": self.held.yours,
            "others": self.held.others,
            "free": self.held.free(),
            "mode": self.mode().name(),
        });
        let more = match &self.verdict {
            Ok(verdict) => json!({
                "usable": true,
                "promisc": verdict.promisc,
                "allmulti": verdict.allmulti,
                "busy_poll": verdict.busy_poll,
                "memlock_max": verdict.memlock_max,
                "confinement": {
                    "device": verdict.confinement.device,
                    "queue": verdict.confinement.queue,
                },
                "rule": verdict.rule,
            }),
            Err(error) => json!({
                "usable": false,
                "code": error.kind.name(),
                "message": error.to_string(),
                "hint": error.hint,
            }),
        };
        if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
            row.extend(more);
        }
        row
    }
}

fn may(verdict: &Verdict) -> Vec<&'static str> {
    let words = [
        (verdict.promisc, "promisc"),
        (verdict.allmulti, "allmulti"),
        (verdict.busy_poll, "busy-poll"),
    ];
    words.into_iter().filter(|(may, _)| *may).map(|(_, word)| word).collect()
}

/// `0-3,5`; a dash for none.
fn numbers(queues: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for queue in queues {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*queue) => *last = *queue,
            _ => ranges.push((*queue, *queue)),
        }
    }
    let word = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let words: Vec<String> = ranges.iter().map(word).collect();
    if words.is_empty() { "-".into() } else { words.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_ranges() {
        let said = |queues: &[u32]| numbers(&queues.iter().copied().collect());
        assert_eq!(said(&[]), "-");
        assert_eq!(said(&[2]), "2");
        assert_eq!(said(&[0, 1, 2, 4, 6, 7]), "0-2,4,6-7");
        assert_eq!(said(&[u32::MAX]), "4294967295");
    }
}
