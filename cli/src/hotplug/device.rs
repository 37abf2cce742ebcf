// SPDX-License-Identifier: MIT OR Apache-2.0
//! The card of a netdev. In the comma form it goes through QEMU's monitor, where `device_add` reads
//! it as on the command line: over QMP, `addr=10` would have to be a string and `mq=on` a switch,
//! and only QEMU knows which is which.

use serde_json::{Map, Value, json};
use xsk_client::netdev::members_of;
use xsk_client::{Error, Kind};

use super::qmp::Qmp;

/// A card that can be plugged in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// In the comma form.
    Words(String),
    /// As QMP has it.
    Json(Map<String, Value>),
}

/// The id of a card that was given none.
pub(super) fn device_id(netdev: &str) -> String {
    format!("dev-{netdev}")
}

impl Device {
    /// Reads `--device`, in either form, for this netdev.
    pub(super) fn read(text: &str, netdev: &str) -> Result<Self, Error> {
        let device = if text.starts_with('{') {
            json_form(text, netdev)
        } else {
            Ok(comma_form(text, netdev))
        }?;
        device.ok_or_else(|| wrong("Parameter 'driver' is missing"))
    }

    /// Plugs it in.
    pub(super) fn add(self, qmp: &mut Qmp) -> Result<(), Error> {
        match self {
            Device::Json(members) => qmp.run("device_add", Value::Object(members)).map(drop),
            Device::Words(words) => {
                let line = format!("device_add {}", quoted(&words));
                let said = qmp.run("human-monitor-command", json!({ "command-line": line }))?;
                said.as_str().and_then(complaint).map_or(Ok(()), |text| {
                    Err(Error::new(
                        Kind::Qmp,
                        "device_add",
                        format!("QEMU refused device_add: {text}"),
                    )
                    .hint("see what the card takes: qemu-system-x86_64 -device DRIVER,help"))
                })
            }
        }
    }
}

fn wrong(message: &str) -> Error {
    Error::new(Kind::Usage, "--device", format!("--device: {message}"))
        .hint("as QEMU's -device takes it: --device virtio-net-pci,mac=52:54:00:12:34:56")
}

fn json_form(text: &str, netdev: &str) -> Result<Option<Device>, Error> {
    let mut members: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    members.insert("netdev".into(), netdev.into());
    members.entry("id").or_insert_with(|| device_id(netdev).into());
    Ok(members.contains_key("driver").then_some(Device::Json(members)))
}

fn comma_form(text: &str, netdev: &str) -> Option<Device> {
    let mut members = members_of(text.as_ref());
    members.retain(|(key, _)| key != "netdev");
    let has = |name| members.iter().any(|(key, _)| key == name);
    let (driver, id) = (has("driver"), has("id"));
    members.push(("netdev".into(), netdev.into()));
    if !id {
        members.push(("id".into(), device_id(netdev)));
    }
    let words: Vec<_> =
        members.iter().map(|(key, value)| format!("{key}={}", value.replace(',', ",,"))).collect();
    driver.then(|| Device::Words(words.join(",")))
}

/// One word of the monitor's language (monitor/hmp.c, `get_str`).
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// The monitor prints nothing when it succeeds, and sometimes warns.
fn complaint(said: &str) -> Option<&str> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.find(|line| !line.starts_with("warning: ")).map(|line| line.trim_start_matches("Error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Device, String> {
        Device::read(text, "n0").map_err(|error| error.message)
    }

    #[test]
    fn the_comma_form_keeps_its_words() {
        let read = words("virtio-net-pci,addr=10,mq=on,romfile=a,,b,netdev=other");
        let expected = "driver=virtio-net-pci,addr=10,mq=on,romfile=a,,b,netdev=n0,id=dev-n0";
        assert_eq!(read, Ok(Device::Words(expected.into())));
        assert_eq!(words("id=x"), Err("--device: Parameter 'driver' is missing".into()));
    }

    #[test]
    fn json_keeps_its_types() {
        let expected =
            json!({ "driver": "e1000", "addr": "a", "rombar": 0, "id": "x", "netdev": "n0" });
        let members = expected.as_object().unwrap().clone();
        let read = words("{\"driver\":\"e1000\",\"addr\":\"a\",\"rombar\":0,\"id\":\"x\"}");
        assert_eq!(read, Ok(Device::Json(members)));
        assert!(words("{}").is_err() && words("{").is_err());
    }

    #[test]
    fn what_the_monitor_says_is_an_error_unless_it_warns() {
        assert_eq!(complaint("\r\n"), None);
        assert_eq!(complaint("warning: old\r\n"), None);
        assert_eq!(complaint("Error: no such bus\r\n"), Some("no such bus"));
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
