// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the guest will hear anything: QEMU neither puts the interface into promiscuous mode nor
//! sets a filter, so a NIC drops frames for any other address than its own.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use xsk_client::netdev::{Place, members_of};
use xsk_proto::Granted;

use super::target::Target;

/// What to say where the guest's address is not the interface's, and nothing else helps.
pub(super) fn deaf(target: &Target, granted: &Granted, command: &[OsString]) -> Option<String> {
    if granted.promisc || granted.mac == [0; 6] {
        return None;
    }
    let options = target.netdev().options();
    let guest = match target.option()? {
        Place::Nic => options.mac.clone(),
        Place::Netdev => device_mac(command, options.id.as_deref()?),
        Place::Net | Place::Backend => None,
    }?;
    let own = granted.mac.map(|byte| format!("{byte:02x}")).join(":");
    (!guest.eq_ignore_ascii_case(&own)).then(|| {
        format!(
            "the guest's mac={guest} is not the interface's: a NIC drops frames for it; use mac={own}, or \
             xsk-client run --promisc"
        )
    })
}

/// The `mac` of the `-device` that is plugged into `netdev`.
fn device_mac(command: &[OsString], netdev: &str) -> Option<String> {
    let pairs = command.windows(2).filter(|two| two.first().is_some_and(|option| is_device(option)));
    let devices = pairs.filter_map(|two| two.get(1)).map(|text| members_of(text));
    for device in devices {
        let of = |key: &str| device.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
        if of("netdev") == Some(netdev) {
            return of("mac").map(str::to_owned);
        }
    }
    None
}

fn is_device(option: &OsStr) -> bool {
    matches!(option.as_bytes(), b"-device" | b"--device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_card_of_a_netdev() {
        let command: Vec<OsString> = [
            "qemu",
            "-device",
            "e1000,netdev=n1,mac=52:54:00:00:00:01",
            "-device",
            "{'driver':'e1000','netdev':'n0','mac':'x'}",
            "--device",
            "e1000,netdev=n2",
        ]
        .map(OsString::from)
        .to_vec();
        assert_eq!(device_mac(&command, "n1").as_deref(), Some("52:54:00:00:00:01"));
        assert_eq!(device_mac(&command, "n0").as_deref(), Some("x"));
        assert_eq!(device_mac(&command, "n2"), None);
        assert_eq!(device_mac(&command, "n3"), None);
    }
}
