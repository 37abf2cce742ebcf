// SPDX-License-Identifier: MIT OR Apache-2.0
//! Warns before the start if a guest's frames will not arrive, since the guest would only see that
//! nothing works. QEMU neither puts the interface into promiscuous mode nor sets a filter, so an
//! interface that filters drops every frame for an address that is not its own. And AF_XDP does not
//! do what the other end of a veth leaves to the receiver.
#![forbid(unsafe_code)]

use xsk_client::netdev::Card;
use xsk_client::{Endpoint, Error, Lease, Request};
use xsk_command::{Patience, link, say, with_groups};
use xsk_netlink::Link;
use xsk_proto::{Granted, Mode, WarningKind};

use crate::doctor::{CHECKSUMS, of_peer};
use crate::nic::Nic;
use crate::outcome::PROGRAM;

/// Acquires a lease, with the frames for every group where the interface filters.
pub(crate) fn acquire(
    patience: &Patience,
    endpoint: &Endpoint,
    request: Request,
) -> Result<Lease, Error> {
    let seen = link(request.ifname()).ok().flatten();
    let filters = seen.is_some_and(|link| link.filters());
    with_groups(PROGRAM, filters, request, |request| patience.acquire(endpoint, request))
}

/// Says what the grant warns of, and what QEMU would not say of its cards. `completes`: what reads
/// the sockets fills in checksums.
pub(crate) fn warn(granted: &Granted, cards: &[Card], completes: bool) {
    xsk_command::warnings(PROGRAM, granted);
    let link = link(&granted.ifname).ok().flatten().unwrap_or_default();
    let of_cards = cards.iter().filter_map(|card| of_card(card, granted, &link));
    for text in of_cards.chain(of_cable(granted, completes)) {
        say(PROGRAM, &format!("{}: warning: {text}", granted.ifname));
    }
}

/// The other end of a veth.
fn of_cable(granted: &Granted, completes: bool) -> Vec<String> {
    let Ok(Some(nic)) = Nic::find(&granted.ifname) else { return Vec::new() };
    let notes = of_peer(&nic, granted.mode == Mode::Skb).into_iter();
    let wanted = notes.filter(|note| !(completes && note.check == CHECKSUMS));
    wanted.map(|note| format!("{}: {}", note.message, note.mend)).collect()
}

/// Warns of a card that will not get its frames, or for which the host would answer.
fn of_card(card: &Card, granted: &Granted, link: &Link) -> Option<String> {
    if granted.mac == [0; 6] {
        return None;
    }
    let (ifname, guest) = (&granted.ifname, card.effective()?);
    if guest == granted.mac {
        return twin(granted);
    }
    let own = text_of(granted.mac);
    let default = if card.mac.is_none() { " (QEMU's default)" } else { "" };
    let begin = format!("the guest's mac={}{default} is not the interface's", text_of(guest));
    if link.takes_own_address_alone() {
        let kind = &link.kind;
        return Some(format!(
            "{begin}, and {ifname} is a {kind}, which receives for its own address alone, promiscuous or not: only \
             mac={own} helps, as xsk-client run --mac=interface writes it"
        ));
    }
    let filter = &granted.filter;
    let is_let_in =
        granted.promisc || filter.all_frames || filter.macs.contains(&guest) || !link.filters();
    (!is_let_in).then(|| {
        format!(
            "{begin}, and {ifname} drops frames for others: use mac={own}, as xsk-client run --mac=interface writes \
             it; or, where the policy allows it, --mac=guest or --promisc"
        )
    })
}

/// The interface's address is fine if the host itself does not answer by it.
fn twin(granted: &Granted) -> Option<String> {
    let mut kinds = granted.warnings.iter().map(|warning| warning.kind);
    let is_used = kinds.any(|kind| matches!(kind, WarningKind::Addresses | WarningKind::Upper));
    is_used.then(|| {
        format!(
            "the guest has the address of {}, by which the host is in use as well: both answer ARP, and both have its \
             IPv6 link-local address; take an interface that the host does not use",
            granted.ifname
        )
    })
}

/// An address as QEMU takes it.
pub(crate) fn text_of(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
