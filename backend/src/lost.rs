// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that are lost because of their length: received frames that fit no buffer, and frames to
//! send that the interface does not take. This is reported on standard error once per queue and
//! direction, since a guest only sees that some connections stall.
#![forbid(unsafe_code)]

use xsk_command::say;

use crate::error::PROGRAM;
use crate::report::Row;

/// The directions of which it was said, by the number of the row.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    received: Vec<usize>,
    sent: Vec<usize>,
}

impl Lost {
    /// Looks at the counters.
    pub(crate) fn look(&mut self, rows: &[Row]) {
        for (at, row) in rows.iter().enumerate() {
            let received = row.monitor.statistics().map_or(0, |read| read.rx_too_long);
            if received > 0 && is_new(&mut self.received, at) {
                tell(row, &unheld(&row.ifname, received));
            }
            let sent = row.counters.read().tx_too_long;
            if sent > 0 && is_new(&mut self.sent, at) {
                tell(row, &untaken(&row.ifname, row.longest, sent));
            }
        }
    }
}

fn is_new(told: &mut Vec<usize>, row: usize) -> bool {
    let new = !told.contains(&row);
    if new {
        told.push(row);
    }
    new
}

fn tell(row: &Row, sentence: &str) {
    say(PROGRAM, &format!("{} queue {}: {sentence}", row.ifname, row.queue));
}

fn unheld(ifname: &str, lost: u64) -> String {
    format!(
        "{lost} frames were longer than a buffer, and the kernel dropped them, as it will others: segments that were \
         not split, or that GRO joined; `xsk-client doctor {ifname}` says how to turn that off"
    )
}

fn untaken(ifname: &str, longest: usize, lost: u64) -> String {
    format!(
        "{lost} frames were longer than the {longest} bytes that {ifname} takes, and were dropped, as others will be; \
         lower the MTU of what sends them, or end this, raise that of {ifname} and start it again"
    )
}
