// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's address, as `--mac` wants it.
#![forbid(unsafe_code)]

use std::ffi::OsString;

use xsk_client::netdev::{Card, Place, cards};
use xsk_client::{Error, Kind};

use super::args::{Mac, usage};
use super::target::Target;

/// The cards of the guest that are plugged into a netdev.
pub(super) fn cards_of(target: &Target, command: &[OsString]) -> Vec<Card> {
    let id = target.netdev().options().id.as_deref();
    let is_its = |card: &Card| match target.option() {
        Some(Place::Netdev) => card.netdev.as_deref() == id,
        Some(Place::Nic) => target.argument() == Some(card.index),
        Some(Place::Net) => card.is_on_hub(),
        Some(Place::Backend) | None => false,
    };
    cards(command).into_iter().filter(is_its).collect()
}

/// Adds what `--mac` needs to the requests. Refuses what it cannot do, before anything is acquired.
pub(super) fn ask(mac: Mac, targets: &mut [Target], command: &[OsString]) -> Result<(), Error> {
    let mut seen: Vec<String> = Vec::new();
    for target in targets {
        let ifname = target.netdev().options().ifname.clone();
        let card = only_card(mac, target, command)?;
        let request = target.request.clone();
        target.request = match mac {
            Mac::Interface if seen.contains(&ifname) => return Err(twice(&ifname)),
            Mac::Interface if card.mac.is_some() => return Err(has_one(&card, command)),
            Mac::Interface => request.alone(),
            Mac::Guest => {
                let address = card.effective().ok_or_else(|| no_address(&card))?;
                request.macs(&[address])
            }
        };
        seen.push(ifname);
    }
    Ok(())
}

/// Writes the address of the interface into the one card of the netdev.
pub(super) fn put(target: &mut Target, command: &mut [OsString], mac: &str) -> Result<(), Error> {
    let card = only_card(Mac::Interface, target, command)?;
    if target.option() == Some(Place::Nic) {
        return target.put_mac(mac).map_err(|error| usage("--mac", &error.to_string()));
    }
    card.put_mac(command, mac);
    Ok(())
}

fn only_card(mac: Mac, target: &Target, command: &[OsString]) -> Result<Card, Error> {
    let mut cards = cards_of(target, command);
    let count = cards.len();
    if let (1, Some(card)) = (count, cards.pop()) {
        return Ok(card);
    }
    let options = target.netdev().options();
    let netdev = options.id.as_deref().unwrap_or(&options.ifname);
    let has = if count == 0 { "no card is".to_owned() } else { format!("{count} cards are") };
    let message =
        format!("--mac={mac} needs one card for each netdev, and {has} plugged into {netdev}");
    let hint = format!("-device virtio-net-pci,netdev={netdev}, once; or leave out --mac");
    Err(Error::new(Kind::Usage, "--mac", message).hint(hint))
}

fn twice(ifname: &str) -> Error {
    let message = format!("--mac=interface: two cards would have the one address of {ifname}");
    Error::new(Kind::Usage, "--mac", message).hint("give each guest's card an interface of its own")
}

fn has_one(card: &Card, command: &[OsString]) -> Error {
    let text = command.get(card.index).map(|text| text.to_string_lossy()).unwrap_or_default();
    let message = format!("--mac=interface: the card has an address already: {text}");
    Error::new(Kind::Usage, "--mac", message).hint("leave out one of the two")
}

fn no_address(card: &Card) -> Error {
    let message =
        format!("--mac=guest: '{}' is no address", card.mac.as_deref().unwrap_or_default());
    Error::new(Kind::Usage, "--mac", message).hint("write it as mac=52:54:00:12:34:56")
}
