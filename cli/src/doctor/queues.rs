// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many queues there are, and on which of them a guest's traffic arrives.
#![forbid(unsafe_code)]

use super::finding::Finding;
use crate::kernel;
use crate::nic::Nic;

/// The queues in use and those that there could be.
pub(super) fn numbers(nic: &Nic) -> Finding {
    let allocated = (nic.link.rx_queues, nic.link.tx_queues);
    match nic.queues() {
        Some((rx, tx)) => Finding::ok(
            "queues",
            format!("{rx} to receive, {tx} to send (allocated: {}, {})", allocated.0, allocated.1),
        ),
        None => {
            let message = format!(
                "allocated: {} to receive, {} to send; those in use cannot be seen from here",
                allocated.0, allocated.1
            );
            Finding::ok("queues", message)
        }
    }
}

/// A guest gets only the frames of its own queues.
pub(super) fn flows(nic: &Nic) -> Finding {
    let receives = nic.receives().unwrap_or(nic.link.rx_queues);
    if receives < 2 {
        return Finding::ok("flows", "every frame arrives on the only queue");
    }
    let Some(spread) = &nic.spread else { return unspread(nic, receives) };
    if let (1, Some(only)) = (spread.len(), spread.first()) {
        let others = "what ethtool -n shows aside, for which the others are";
        return Finding::ok("flows", format!("every frame comes by queue {only}, {others}"));
    }
    let message = format!(
        "RSS spreads flows over {} of {receives} queues: a guest sees its own queues' share only, \
         unless it has all of them (queues={receives})",
        spread.len()
    );
    let name = nic.name();
    let steer = if nic.has("rx-ntuple-filter") {
        format!("; or, a guest alone: sudo ethtool -N {name} flow-type ether dst MAC action QUEUE")
    } else {
        String::new()
    };
    Finding::note("flows", message, format!("sudo ethtool -X {name} equal 1{steer}"))
}

/// The command that changes the queues of a veth, which can be done since Linux 5.15 (commit
/// 4752eeb3d891).
pub(super) fn of_veth(name: &str, queues: &str) -> String {
    if kernel::version() < (5, 15) {
        return format!("make {name} anew, with numrxqueues 1 numtxqueues 1");
    }
    format!("sudo ethtool -L {name} {queues}")
}

/// There is no table that could be changed.
fn unspread(nic: &Nic, receives: u32) -> Finding {
    let name = nic.name();
    let share = format!(
        "a guest sees its own queues' share only, unless it has all of them (queues={receives})"
    );
    if nic.is_veth() {
        let message =
            format!("the other end's CPUs and hash choose among {receives} queues: {share}");
        let (one, here) = ("rx 1 tx 1", of_veth(name, "rx 1 tx 1"));
        let mend = match &nic.other {
            Some(peer) => format!("{} && {here}", of_veth(&peer.name, one)),
            None => format!(
                "in the other end's network namespace: {}; then: {here}",
                of_veth("PEER", one)
            ),
        };
        return Finding::note("flows", message, mend);
    }
    let message = format!("the interface chooses among {receives} queues: {share}");
    match nic.channels {
        Some(channels) if channels.max_combined > 0 => {
            Finding::note("flows", message, format!("sudo ethtool -L {name} combined 1"))
        }
        Some(channels) if channels.max_rx > 0 => {
            Finding::note("flows", message, format!("sudo ethtool -L {name} rx 1"))
        }
        _ => Finding::note(
            "flows",
            message,
            format!("queues={receives}, so that the guest has them all"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use xsk_netlink::Channels;

    fn card(spread: &[u32]) -> Nic {
        let mut nic = Nic {
            channels: Some(Channels { max_combined: 8, combined: 4, ..Channels::default() }),
            spread: (!spread.is_empty()).then(|| spread.iter().copied().collect()),
            ..Nic::default()
        };
        nic.link.name = "eth9".into();
        nic
    }

    #[test]
    fn a_table_with_one_queue_in_it_is_well() {
        assert_eq!(flows(&card(&[2])).state, State::Ok);
        let spread = flows(&card(&[0, 1, 2, 3]));
        assert_eq!(
            (spread.state, spread.mend.as_str()),
            (State::Note, "sudo ethtool -X eth9 equal 1")
        );
        assert!(spread.message.contains("over 4 of 4 queues"), "{}", spread.message);
    }

    #[test]
    fn where_there_are_rules_a_guest_can_be_steered_to() {
        let mut nic = card(&[0, 1]);
        nic.features.insert("rx-ntuple-filter".into());
        assert!(flows(&nic).mend.contains("ethtool -N eth9 flow-type ether dst MAC"));
    }

    #[test]
    fn without_a_table_there_are_fewer_channels() {
        assert_eq!(flows(&card(&[])).mend, "sudo ethtool -L eth9 combined 1");
    }
}
