// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crate speaks exactly what `PROTOCOL.md` says: every vector both ways, every table by number
//! and name.

#![allow(clippy::unwrap_used)]

mod page;
mod samples;

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use xsk_proto::codec::{decode_reply, decode_request, encode_reply, encode_request};
use xsk_proto::{
    Code, EventKind, MAX_PARAMS, MAX_QUEUES, MAX_REPLY, MAX_REQUEST, Mode, ModeRequest,
    WarningKind, param,
};

/// The page's packets of one direction by name.
fn packets(direction: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let ours = page::vectors().into_iter().filter(|vector| vector.direction == direction);
    ours.map(|vector| (vector.name, vector.packet)).collect()
}

#[test]
fn requests_are_as_specified() {
    let mut packets = packets("request");
    for (name, request) in samples::requests() {
        let packet =
            packets.remove(name).unwrap_or_else(|| panic!("PROTOCOL.md has no request {name}"));
        assert_eq!(encode_request(&request).unwrap(), packet, "{name}");
        assert_eq!(decode_request(&packet).unwrap(), request, "{name}");
    }
    assert!(packets.is_empty(), "no sample for {packets:?}");
}

#[test]
fn replies_are_as_specified() {
    let mut packets = packets("reply");
    for (name, reply) in samples::replies() {
        let packet =
            packets.remove(name).unwrap_or_else(|| panic!("PROTOCOL.md has no reply {name}"));
        assert_eq!(encode_reply(&reply).unwrap(), packet, "{name}");
        assert_eq!(decode_reply(&packet).unwrap(), reply, "{name}");
    }
    assert!(packets.is_empty(), "no sample for {packets:?}");
}

/// The number that the wire has for a variant without content.
fn number(variant: &impl Serialize) -> u32 {
    let bytes = bincode::serde::encode_to_vec(variant, bincode::config::legacy()).unwrap();
    u32::from_le_bytes(bytes.try_into().unwrap())
}

fn same_as_table<T: Serialize + Debug>(name: &str, variants: &[T], text: impl Fn(&T) -> String) {
    let table = page::table(name);
    assert_eq!(table.len(), variants.len(), "{name} has another number of variants on the page");
    for (variant, row) in variants.iter().zip(table) {
        assert_eq!((number(variant), text(variant).as_str()), row, "{name}");
    }
}

#[test]
fn enums_are_as_specified() {
    same_as_table("Code", &Code::ALL, |code| code.name().to_owned());
    same_as_table("Mode", &[Mode::Native, Mode::Skb], |mode| format!("{mode:?}"));
    let modes = [ModeRequest::Auto, ModeRequest::Native, ModeRequest::Skb];
    same_as_table("ModeRequest", &modes, |mode| format!("{mode:?}"));
    use WarningKind as W;
    let kinds = [
        W::Addresses,
        W::Upper,
        W::DefaultRoute,
        W::NoDeviceConfinement,
        W::NoQueueConfinement,
        W::Down,
        W::Kernel,
        W::Tags,
    ];
    same_as_table("WarningKind", &kinds, |kind| format!("{kind:?}"));
    use EventKind as E;
    let kinds = [
        E::InterfaceGone,
        E::InterfaceMoved,
        E::InterfaceDown,
        E::InterfaceUp,
        E::InterfaceRenamed,
        E::QueuesReduced,
        E::ProgramReplaced,
        E::Revoked,
    ];
    same_as_table("EventKind", &kinds, |kind| format!("{kind:?}"));
}

#[test]
fn options_and_limits_are_as_specified() {
    let names =
        [param::FRAGS, param::PROMISC, param::BUSY_POLL, param::BUSY_POLL_BUDGET, param::MEMLOCK];
    for name in names {
        assert!(page::PAGE.contains(&format!("\n| `{name}` | `")), "section 8 has no {name}");
    }
    let limits = [
        format!("| a request | {MAX_REQUEST} bytes |"),
        format!("| a reply | {MAX_REPLY} bytes |"),
        format!("| options in a request | {MAX_PARAMS} |"),
        format!("| queues in a lease | {MAX_QUEUES} |"),
    ];
    for limit in limits {
        assert!(page::PAGE.contains(&limit), "section 9 lacks: {limit}");
    }
}
