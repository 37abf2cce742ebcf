// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is offered to every front end.
//!
//! A guest goes on with what it has acknowledged when its device is started again or is another one
//! after a migration, and a device that lacks any of that refuses by its name. So the set has a
//! version, which the log and the README tell: one that grows or shrinks is a new one.
#![forbid(unsafe_code)]

use xsk_vhost::device::Offer;
use xsk_vhost::net::{NetConfig, feature};
use xsk_vhost::protocol::feature as extra;

use crate::peer_spec::VhostSpec;

/// The version of the set of features.
pub(super) const SET: u32 = 1;

/// The features of a device with as many pairs of queues.
pub(super) fn of(spec: &VhostSpec, pairs: usize) -> Offer {
    let pairs = if spec.mq { pairs } else { 1 };
    let mut protocol =
        extra::REPLY_ACK | extra::BACKEND_REQ | extra::CONFIGURE_MEM_SLOTS | extra::MTU;
    if pairs > 1 {
        protocol |= extra::MQ;
    }
    if has_config(spec) {
        protocol |= extra::CONFIG;
    }
    let config = NetConfig { mac: spec.mac, mtu: spec.mtu, pairs: pairs as u16 };
    Offer { features: features(spec, pairs), protocol, pairs, config }
}

fn features(spec: &VhostSpec, pairs: usize) -> u64 {
    let always =
        feature::VERSION_1 | feature::MRG_RXBUF | feature::EVENT_IDX | feature::INDIRECT_DESC;
    let choices = [
        (pairs > 1, feature::MQ | feature::CTRL_VQ),
        (has_config(spec), feature::STATUS),
        (spec.mac.is_some(), feature::MAC),
        (spec.mtu.is_some(), feature::MTU),
        (spec.csum, feature::CSUM | feature::GUEST_CSUM),
        // Segments need checksums.
        (spec.csum && spec.tso, feature::HOST_TSO4 | feature::HOST_TSO6 | feature::HOST_ECN),
        (spec.csum && spec.gro, feature::GUEST_TSO4 | feature::GUEST_TSO6),
    ];
    choices
        .into_iter()
        .filter(|(is_on, _)| *is_on)
        .fold(always, |all, (_, features)| all | features)
}

fn has_config(spec: &VhostSpec) -> bool {
    spec.mac.is_some() || spec.mtu.is_some() || spec.config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_spec::PeerSpec;

    fn offer(options: &str, pairs: usize) -> Offer {
        match format!("vhost-user=x{options}").parse().unwrap() {
            PeerSpec::VhostUser(spec) => of(&spec, pairs),
            other => panic!("{other:?}"),
        }
    }

    /// Whoever changes this has to change [`SET`] and the README.
    #[test]
    fn the_first_set_is_this() {
        assert_eq!(
            (SET, offer("", 1).features, offer("", 2).features),
            (1, 0x1_3000_b983, 0x1_3042_b983)
        );
        assert_eq!((offer("", 1).protocol, offer(",config=on", 2).protocol), (0x8038, 0x8239));
    }

    #[test]
    fn each_can_be_switched_off() {
        let tso = feature::HOST_TSO4 | feature::HOST_TSO6 | feature::HOST_ECN;
        let all = offer("", 1).features;
        let gro = feature::GUEST_TSO4 | feature::GUEST_TSO6;
        let csum = feature::CSUM | feature::GUEST_CSUM;
        assert_eq!(offer(",tso=off", 1).features, all & !tso);
        assert_eq!(offer(",gro=off", 1).features, all & !gro);
        assert_eq!(offer(",csum=off", 1).features, all & !(tso | gro | csum));
        assert_eq!((offer(",mq=off", 4).features, offer(",mq=off", 4).pairs), (all, 1));
    }

    #[test]
    fn the_configuration_space_has_what_was_given() {
        let with = |options| offer(options, 1).features & !offer("", 1).features;
        assert_eq!(with(",config=on"), feature::STATUS);
        assert_eq!(
            with(",mac=02:00:00:00:00:07,mtu=1400"),
            feature::STATUS | feature::MAC | feature::MTU
        );
    }
}
