// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cards of a command line: what a guest has plugged into a netdev, and the address of that.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::command::{replace, valued};
use super::{json, keyval, members_of, pairs_of};

/// The address of the first card that has none of its own (`qemu_macaddr_default_if_unset`,
/// net/net.c). The next one ends in 57.
const FIRST: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// A card of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The argument that describes it.
    pub index: usize,
    /// The netdev that it is plugged into; none for one of `-nic`, which is a netdev itself, and
    /// for one of `-net nic`, which is on a hub.
    pub netdev: Option<String>,
    /// Its address as written.
    pub mac: Option<String>,
    /// The address that it gets where none is written.
    default: [u8; 6],
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Device,
    Nic,
    Hub,
}

/// The cards of `command`, in order. A device that is no card of a netdev is not among them.
pub fn cards(command: &[OsString]) -> Vec<Card> {
    let mut cards = Vec::new();
    let mut default = FIRST;
    for (index, name, text) in valued(command) {
        // QEMU takes a brace for JSON after -device only.
        let members = if name == b"device" { members_of(text) } else { pairs_of(text) };
        let Some(mut card) = read(index, name, &members) else { continue };
        card.default = default;
        if card.mac.is_none() {
            default[5] = default[5].wrapping_add(1);
        }
        cards.push(card);
    }
    cards
}

fn read(index: usize, name: &[u8], members: &[(String, String)]) -> Option<Card> {
    let of =
        |key: &str| members.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    let kind = match name {
        b"device" => Kind::Device,
        b"nic" => Kind::Nic,
        b"net" if of("driver").or_else(|| of("type")).as_deref() == Some("nic") => Kind::Hub,
        _ => return None,
    };
    let netdev = of("netdev").filter(|_| kind != Kind::Nic);
    let key = kind.key();
    (kind != Kind::Device || netdev.is_some()).then(|| Card {
        index,
        netdev,
        mac: of(key),
        default: FIRST,
        kind,
    })
}

impl Kind {
    /// The option that has the address.
    fn key(self) -> &'static str {
        match self {
            Kind::Hub => "macaddr",
            Kind::Device | Kind::Nic => "mac",
        }
    }
}

impl Card {
    /// Reads the card of a `-device`, whatever it is plugged into.
    pub fn of_device(text: &OsStr) -> Self {
        let members = members_of(text);
        let of = |key: &str| {
            members.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.clone())
        };
        let (netdev, mac) = (of("netdev"), of("mac"));
        Self { index: 0, netdev, mac, default: FIRST, kind: Kind::Device }
    }

    /// Returns the address that the guest will have; `None` where what is written is no address.
    pub fn effective(&self) -> Option<[u8; 6]> {
        self.mac.as_deref().map_or(Some(self.default), address)
    }

    /// Returns whether it stands on a hub, as the netdevs of `-net` do.
    pub fn is_on_hub(&self) -> bool {
        self.kind == Kind::Hub && self.netdev.is_none()
    }

    /// Gives it this address in `command`, from which it was read, and changes nothing else.
    pub fn put_mac(&self, command: &mut [OsString], mac: &str) {
        if let Some(text) = command.get(self.index) {
            let json =
                if self.kind == Kind::Device { json::object(text.as_bytes()).ok() } else { None };
            let text = with_member(text, json.as_deref(), self.kind.key(), mac);
            replace(command, self.index, text);
        }
    }
}

/// Sets one option of an option string, whose other bytes stay.
fn with_member(text: &OsStr, json: Option<&[json::Member]>, key: &str, value: &str) -> OsString {
    let bytes = text.as_bytes();
    OsString::from_vec(match json {
        Some(members) => json::rewrite(bytes, members, &[(key, format!("\"{value}\""))]),
        None => keyval::rewrite(bytes, &keyval::split(bytes, "driver"), &[(key, value.to_owned())]),
    })
}

/// Reads an address as QEMU does: colons or hyphens, one or two digits a part (`net_parse_macaddr`,
/// net/net.c).
fn address(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let digits =
            parts.next().filter(|part| part.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn each_form_of_a_card_is_found() {
        let command = command(&[
            "qemu",
            "-append",
            "-device",
            "-device",
            "e1000,netdev=n1,mac=52:54:00:00:00:01",
            "-device",
            "{'driver':'e1000','netdev':'n0','mac':'x'}",
            "--device",
            "e1000,netdev=n2",
            "-device",
            "virtio-rng-pci",
            "-nic",
            "af-xdp,ifname=e,mac=52-54-0-0-0-2",
            "-net",
            "nic,macaddr=52:54:00:00:00:03",
            "-net",
            "nic,netdev=n3",
            "-net",
            "user",
            "-name",
            "-device",
        ]);
        let cards = cards(&command);
        let seen: Vec<_> = cards.iter().map(|card| (card.index, card.netdev.as_deref())).collect();
        let expected = [
            (4, Some("n1")),
            (6, Some("n0")),
            (8, Some("n2")),
            (12, None),
            (14, None),
            (16, Some("n3")),
        ];
        assert_eq!(seen, expected);
        let last: Vec<_> = cards.iter().map(|card| card.effective().map(|mac| mac[5])).collect();
        assert_eq!(last, [Some(1), None, Some(0x56), Some(2), Some(3), Some(0x57)]);
        assert_eq!(
            cards.iter().map(Card::is_on_hub).collect::<Vec<_>>(),
            [false, false, false, false, true, false]
        );
    }

    #[test]
    fn an_address_is_written_where_it_belongs() {
        let cases = [
            ("-device", "e1000,netdev=n0", "e1000,netdev=n0,mac=02:00:00:00:00:07"),
            ("-device", "e1000,mac=x,netdev=n0", "e1000,mac=02:00:00:00:00:07,netdev=n0"),
            (
                "-device",
                "{'driver':'e1000','netdev':'n0'}",
                "{'driver':'e1000','netdev':'n0',\"mac\":\"02:00:00:00:00:07\"}",
            ),
            ("-nic", "af-xdp,ifname=e", "af-xdp,ifname=e,mac=02:00:00:00:00:07"),
            ("-net", "nic,model=e1000", "nic,model=e1000,macaddr=02:00:00:00:00:07"),
        ];
        for (option, before, after) in cases {
            let mut command = command(&["qemu", option, before]);
            cards(&command)[0].put_mac(&mut command, "02:00:00:00:00:07");
            assert_eq!(command[2], after);
            assert_eq!(cards(&command)[0].effective(), Some([2, 0, 0, 0, 0, 7]));
        }
    }

    #[test]
    fn addresses_are_qemus() {
        assert_eq!(address("52:54:00:12:34:AB"), Some([0x52, 0x54, 0, 0x12, 0x34, 0xab]));
        for text in
            ["", "52:54:00:12:34", "52:54:00:12:34:56:7", "+1:0:0:0:0:0", "100:0:0:0:0:0", "::::::"]
        {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
