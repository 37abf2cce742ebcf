// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the boundary costs, side by side with doing the same with the privileges oneself, in one
//! run.
//!
//! Every figure and its reference are taken in turns, so that whatever else the machine does meets
//! both; what is shown is the median. The table goes to standard output, and as JSON to
//! `target/bench.json`. `xsk-bench guest` measures those of guests alone.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure has to stop")]

mod checksum;
mod dpdk;
mod grants;
mod guest;
mod memory;
mod reference;
mod reflect;
mod row;

use std::process::ExitCode;

use row::Row;
use xsk_tests::lab::{self, Lab, Veth};

fn main() -> ExitCode {
    match Lab::new() {
        Ok(lab) => {
            let rows = measure(&lab);
            drop(lab);
            row::show(&rows);
            let path = lab::target_dir().join("bench.json");
            std::fs::write(&path, row::json(&rows)).unwrap();
            println!("\n{}", path.display());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("xsk-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(lab: &Lab) -> Vec<Row> {
    let veth = lab.veth(24);
    let rule = format!("[[allow]]\nusers = [0, {}]\ninterfaces = [\"*\"]\n", lab.user.uid);
    lab.policy(&format!("{rule}[limits]\nconnections = 1000\n"));
    let reference = reference::compile(lab)
        .map_err(|why| eprintln!("xsk-bench: no libxdp reference: {why}"))
        .ok();
    let single = lab.veth(1);
    if std::env::args().any(|part| part == "guest") {
        return with_guests(lab, &single);
    }
    let mut rows = vec![grants::warm(lab, &veth)];
    rows.push(checksum::row());
    rows.extend(grants::by_exec(lab, (&single, &veth), reference.as_deref()));
    rows.push(memory::keepers(lab, &veth));
    rows.extend(reflect::frames(lab, &single, reference.as_deref()));
    rows.extend(with_guests(lab, &single));
    rows
}

fn with_guests(lab: &Lab, veth: &Veth) -> Vec<Row> {
    dpdk::rows(lab, veth).into_iter().chain(guest::rows(lab, veth)).collect()
}
