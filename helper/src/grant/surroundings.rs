// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host itself has to do with an interface, and so would lose or share with the holder of
//! a queue.
#![forbid(unsafe_code)]

use xsk_proto::{Warning, WarningKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Surroundings {
    pub(super) up: bool,
    /// The host has addresses on it, other than link-local ones.
    pub(super) addresses: bool,
    /// Another device stands on it.
    pub(super) upper: bool,
    pub(super) default_route: bool,
}

impl Surroundings {
    /// Returns a warning for each thing that a client should know of.
    pub(super) fn warnings(self, name: &str) -> impl Iterator<Item = Warning> {
        let texts = [
            (!self.up, WarningKind::Down, format!("{name} is down (ip link set dev {name} up)")),
            (
                self.addresses,
                WarningKind::Addresses,
                format!("the host has addresses on {name} and does not see these queues' frames"),
            ),
            (
                self.upper,
                WarningKind::Upper,
                format!(
                    "{name} is part of another device, which does not see these queues' frames"
                ),
            ),
            (
                self.default_route,
                WarningKind::DefaultRoute,
                format!("the host's default route leaves by {name}"),
            ),
        ];
        let holding = texts.into_iter().filter(|(holds, ..)| *holds);
        holding.map(|(_, kind, text)| Warning { kind, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Surroundings =
        Surroundings { up: true, addresses: false, upper: false, default_route: false };

    fn kinds(surroundings: Surroundings) -> Vec<WarningKind> {
        surroundings.warnings("eth1").map(|warning| warning.kind).collect()
    }

    #[test]
    fn each_thing_has_its_warning() {
        assert_eq!(kinds(QUIET), []);
        assert_eq!(kinds(Surroundings { up: false, ..QUIET }), [WarningKind::Down]);
        assert_eq!(kinds(Surroundings { addresses: true, ..QUIET }), [WarningKind::Addresses]);
        assert_eq!(kinds(Surroundings { upper: true, ..QUIET }), [WarningKind::Upper]);
        assert_eq!(
            kinds(Surroundings { default_route: true, ..QUIET }),
            [WarningKind::DefaultRoute]
        );
        let all = Surroundings { up: false, addresses: true, upper: true, default_route: true };
        assert_eq!(kinds(all).len(), 4);
    }
}
