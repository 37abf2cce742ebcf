// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that vanish before a peer sees them, since no buffer holds them. It is said on standard error, once a queue:
//! a guest sees only that some connections stand still.
#![forbid(unsafe_code)]

use xsk_command::say;

use crate::error::PROGRAM;
use crate::report::Row;

/// The queues of which it was said.
#[derive(Debug, Default)]
pub(crate) struct Lost(Vec<(String, u32)>);

impl Lost {
    /// Looks at the kernel's counters.
    pub(crate) fn look(&mut self, rows: &[Row]) {
        for row in rows {
            let lost = row.monitor.statistics().map_or(0, |read| read.rx_too_long);
            let known = self.0.iter().any(|(ifname, queue)| (ifname, *queue) == (&row.ifname, row.queue));
            if lost > 0 && !known {
                let lost = sentence(&row.ifname, lost);
                say(PROGRAM, &format!("{} queue {}: {lost}", row.ifname, row.queue));
                self.0.push((row.ifname.clone(), row.queue));
            }
        }
    }
}

fn sentence(ifname: &str, lost: u64) -> String {
    format!(
        "{lost} frames were longer than a buffer, and the kernel dropped them, as it will others: segments that were \
         not split, or that GRO joined; `xsk-client doctor {ifname}` says how to turn that off"
    )
}
