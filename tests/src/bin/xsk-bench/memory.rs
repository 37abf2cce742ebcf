// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a lease costs while nothing happens: the keeper's share of memory.

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, Veth};

use crate::row::{Row, median};

const KEEPERS: u32 = 20;

/// Twenty keepers, and twenty processes that do nothing.
pub(crate) fn keepers(lab: &Lab, veth: &Veth) -> Row {
    let listener = lab.listen();
    let mut leases = Vec::new();
    for queue in 0..KEEPERS {
        let wire = lab.wire();
        let grant = wire.get(&veth.ifname, queue, 1).unwrap();
        leases.push((wire, grant));
    }
    let sleepers: Vec<_> = (0..KEEPERS).map(|_| lab.cmd("sleep").arg("60").start()).collect();
    let keepers =
        leases.iter().map(|(_, grant)| Process::new(grant.granted.keeper).settled().pss() as f64);
    let ours = median(keepers.collect());
    let idle =
        median(sleepers.iter().map(|sleeper| Process::new(sleeper.pid()).pss() as f64).collect());
    drop((leases, sleepers));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    Row {
        name: "keeper, memory",
        ours,
        reference: Some(idle),
        unit: "KiB",
        how: format!(
            "Pss of smaps_rollup, median of {KEEPERS} keepers; against {KEEPERS} times sleep(1)"
        ),
    }
}
