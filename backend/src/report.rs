// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is printed on standard output: that all is ready, the statistics, and the end; for people
//! or as JSON.
#![forbid(unsafe_code)]

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use xsk_socket::{Monitor, Statistics};

use crate::counters::{Counters, Snapshot};

/// What is known of a bound queue.
pub(crate) struct Row {
    /// The interface.
    pub ifname: String,
    /// The queue.
    pub queue: u32,
    /// How the program is attached; empty where that is not known.
    pub mode: String,
    /// Whether the NIC uses the UMEM itself.
    pub zero_copy: bool,
    /// Frames in the UMEM.
    pub frames: usize,
    /// The longest frame that it sends.
    pub longest: usize,
    /// The kernel's side.
    pub monitor: Monitor,
    /// Our side.
    pub counters: Arc<Counters>,
}

/// All queues, and how to print them.
pub(crate) struct Report {
    rows: Vec<Row>,
    json: bool,
    start: Instant,
}

#[derive(Serialize)]
struct Record<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    seconds: f64,
    queues: Vec<QueueRecord<'a>>,
}

#[derive(Serialize)]
struct QueueRecord<'a> {
    ifname: &'a str,
    queue: u32,
    mode: &'a str,
    zero_copy: bool,
    umem_frames: usize,
    #[serde(flatten)]
    moved: Snapshot,
    xdp: XdpRecord,
}

/// `XDP_STATISTICS`, and the sum of its drops.
#[derive(Serialize)]
struct XdpRecord {
    drops: u64,
    rx_dropped: u64,
    rx_ring_full: u64,
    rx_fill_ring_empty: u64,
    rx_too_long: u64,
    rx_invalid_descs: u64,
    tx_invalid_descs: u64,
    tx_ring_empty: u64,
}

impl From<Statistics> for XdpRecord {
    fn from(read: Statistics) -> Self {
        Self {
            drops: read.drops(),
            rx_dropped: read.rx_dropped,
            rx_ring_full: read.rx_ring_full,
            rx_fill_ring_empty: read.rx_fill_ring_empty,
            rx_too_long: read.rx_too_long,
            rx_invalid_descs: read.rx_invalid_descs,
            tx_invalid_descs: read.tx_invalid_descs,
            tx_ring_empty: read.tx_ring_empty,
        }
    }
}

impl QueueRecord<'_> {
    fn line(&self) -> String {
        let copy = if self.zero_copy { "zero-copy" } else { "copy" };
        let Snapshot { rx_frames, rx_bytes, tx_frames, tx_bytes, peer_drops, .. } = self.moved;
        let xdp = &self.xdp;
        let mut line = format!(
            "{} queue {} ({copy}): rx {rx_frames} frames {rx_bytes} bytes, tx {tx_frames} frames {tx_bytes} bytes, \
             dropped {} (ring full {}; fill ring empty {} times; too long {}), by the peer {peer_drops}, invalid {}",
            self.ifname,
            self.queue,
            xdp.drops,
            xdp.rx_ring_full,
            xdp.rx_fill_ring_empty,
            xdp.rx_too_long,
            xdp.rx_invalid_descs + xdp.tx_invalid_descs,
        );
        for (count, what) in self.moved.seldom() {
            line.push_str(&format!(", {what} {count}"));
        }
        line
    }
}

impl Report {
    /// A report on `rows`, that starts now.
    pub(crate) fn new(rows: Vec<Row>, json: bool) -> Self {
        Self { rows, json, start: Instant::now() }
    }

    /// The queues.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// "ready: eth1 queues 0 1 (native, copy); peer reflect"
    pub(crate) fn ready(&self, peer: &str) {
        if self.json {
            return self.record("ready", None);
        }
        let queues: Vec<_> =
            self.rows.iter().map(|row| format!("{} queue {}", row.ifname, row.queue)).collect();
        let Some(first) = self.rows.first() else { return };
        let copy = if first.zero_copy { "zero-copy" } else { "copy" };
        let mode = if first.mode.is_empty() { String::new() } else { format!("{}, ", first.mode) };
        print(&format!("ready: {} ({mode}{copy}), peer {peer}", queues.join(", ")));
    }

    /// The statistics of this moment.
    pub(crate) fn statistics(&self) {
        if self.json {
            return self.record("statistics", None);
        }
        let seconds = self.start.elapsed().as_secs_f64();
        print(&format!("after {seconds:.1} s:"));
        self.queues().iter().for_each(|queue| print(&format!("  {}", queue.line())));
    }

    /// The statistics at the end, and why it is the end.
    pub(crate) fn end(&self, reason: &str) {
        if self.json {
            return self.record("end", Some(reason));
        }
        self.statistics();
        print(&format!("end: {reason}"));
    }

    fn record(&self, event: &str, reason: Option<&str>) {
        let record = Record {
            event,
            reason,
            seconds: self.start.elapsed().as_secs_f64(),
            queues: self.queues(),
        };
        print(&serde_json::to_string(&record).unwrap_or_default());
    }

    fn queues(&self) -> Vec<QueueRecord<'_>> {
        self.rows.iter().map(Row::record).collect()
    }
}

impl Row {
    fn record(&self) -> QueueRecord<'_> {
        QueueRecord {
            ifname: &self.ifname,
            queue: self.queue,
            mode: &self.mode,
            zero_copy: self.zero_copy,
            umem_frames: self.frames,
            moved: self.counters.read(),
            // Once the interface is gone there is nothing to read, and what was counted here still
            // stands.
            xdp: self.monitor.statistics().unwrap_or_default().into(),
        }
    }
}

/// Nobody reading is no reason to stop moving frames.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_documented_members() {
        let moved = Snapshot { rx_frames: 3, rx_bytes: 180, ..Snapshot::default() };
        let xdp = Statistics { rx_dropped: 1, rx_ring_full: 2, ..Statistics::default() }.into();
        let queue = QueueRecord {
            ifname: "eth1",
            queue: 1,
            mode: "native",
            zero_copy: false,
            umem_frames: 896,
            moved,
            xdp,
        };
        assert_eq!(
            queue.line(),
            "eth1 queue 1 (copy): rx 3 frames 180 bytes, tx 0 frames 0 bytes, dropped 3 (ring full 2; fill ring \
             empty 0 times; too long 0), by the peer 0, invalid 0"
        );
        let record =
            Record { event: "end", reason: Some("SIGTERM"), seconds: 1.5, queues: vec![queue] };
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"event":"end","reason":"SIGTERM","seconds":1.5,"queues":[{"ifname":"eth1","queue":1,"mode":"native","zero_copy":false,"umem_frames":896,"rx_frames":3,"rx_bytes":180,"tx_frames":0,"tx_bytes":0,"peer_drops":0,"returned":0,"checksums_completed":0,"checksums_inner":0,"tx_too_long":0,"xdp":{"drops":3,"rx_dropped":1,"rx_ring_full":2,"rx_fill_ring_empty":0,"rx_too_long":0,"rx_invalid_descs":0,"tx_invalid_descs":0,"tx_ring_empty":0}}]}"#
        );
    }
}
