// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether another process can share the guest's memory, as a vhost-user backend has to. Memory
//! that the user describes is used where it is shared and never changed; that of a plain `-m` is
//! shared by a memory backend of the same size. Its id is the machine's own for its main memory: a
//! saved state names its memory by that, and loads into no other.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use serde_json::Value;
use xsk_client::netdev::{members_of, valued};

use crate::qemu::Described;

/// What `-m` is by default (`default_ram_size`, hw/core/machine.c), for the PCs.
const DEFAULT: u64 = 128 << 20;

/// QEMU rounds `-m` up to this (`parse_memory_options`, system/vl.c).
const ROUND: u64 = 8192;

/// What of a command is about memory.
#[derive(Debug, Default)]
struct Asked {
    machine: BTreeMap<String, String>,
    memory: BTreeMap<String, String>,
    /// The memory backends, with whether they are shared.
    backends: BTreeMap<String, bool>,
    /// The memory backend of each `-numa node`.
    nodes: Vec<Option<String>>,
    /// Options that are not looked into.
    opaque: Option<&'static str>,
}

/// Returns the words to put before another option of QEMU's, so that the guest's memory is shared:
/// none where it is shared already.
///
/// # Errors
/// Why it is not, and is not to be changed.
pub(super) fn share(command: &[OsString], qemu: &Described) -> Result<Vec<OsString>, String> {
    let asked = read(command)?;
    if let Some(option) = asked.opaque {
        return Err(format!("{option} says what the guest's memory is"));
    }
    if let Some((id, _)) = asked.backends.iter().find(|(_, shared)| !**shared) {
        return Err(format!("the memory backend '{id}' is not shared (share=on)"));
    }
    let is_known = |id: &str| asked.backends.contains_key(id);
    if let Some(id) = asked.machine.get("memory-backend") {
        return is_known(id)
            .then(Vec::new)
            .ok_or_else(|| format!("memory-backend={id} is not in the command"));
    }
    if !asked.nodes.is_empty() {
        let shared = asked.nodes.iter().all(|node| node.as_deref().is_some_and(is_known));
        return shared
            .then(Vec::new)
            .ok_or_else(|| "a -numa node has no shared memdev=".to_owned());
    }
    make(&asked, qemu)
}

fn read(command: &[OsString]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    for (_, name, text) in valued(command) {
        match name {
            b"machine" | b"M" => asked.machine.extend(members(text, "type")),
            b"m" => asked.memory.extend(members(text, "size")),
            b"object" => asked.backends.extend(backend(text)?),
            b"numa" => asked.nodes.extend(node(text)),
            b"mem-path" => asked.opaque = Some("-mem-path"),
            b"readconfig" => asked.opaque = Some("-readconfig"),
            _ => {}
        }
    }
    let opaque = [
        ("confidential-guest-support", "-machine confidential-guest-support"),
        ("memory.size", "-machine memory.size"),
    ];
    let found = opaque.iter().find(|(key, _)| asked.machine.contains_key(*key));
    asked.opaque = asked.opaque.or(found.map(|(_, option)| *option));
    Ok(asked)
}

/// The options of a text whose first one may stand without its key.
fn members(text: &OsStr, first: &str) -> Vec<(String, String)> {
    let mut members = members_of(text);
    if let Some((key, _)) = members.first_mut().filter(|(key, _)| key == "driver") {
        *key = first.to_owned();
    }
    members
}

/// The id of a memory backend, and whether it is shared.
fn backend(text: &OsStr) -> Result<Option<(String, bool)>, String> {
    let members: BTreeMap<String, String> = if text.as_encoded_bytes().first() == Some(&b'{') {
        let text = text.to_string_lossy();
        let read: BTreeMap<String, Value> =
            serde_json::from_str(&text).map_err(|error| format!("-object {text}: {error}"))?;
        let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        read.into_iter().map(|(key, value)| (key, word(value))).collect()
    } else {
        members(text, "qom-type").into_iter().collect()
    };
    let of = |key: &str| members.get(key).map(String::as_str).unwrap_or_default();
    let kind = of("qom-type");
    if !kind.starts_with("memory-backend-") {
        return Ok(None);
    }
    let shared = match (kind, of("share")) {
        // Memory of no file cannot be passed on.
        ("memory-backend-ram" | "memory-backend-epc", _) => false,
        // These two are shared by themselves (backends/hostmem-memfd.c, hostmem-shm.c).
        ("memory-backend-memfd" | "memory-backend-shm", "") => true,
        (_, share) => ["on", "yes", "true", "y"].contains(&share),
    };
    Ok(Some((of("id").to_owned(), shared)))
}

/// The memory backend of a node of `-numa`; nothing where it describes something else.
fn node(text: &OsStr) -> Option<Option<String>> {
    let members = members(text, "type");
    let of =
        |key: &str| members.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    (of("type").as_deref() == Some("node")).then(|| of("memdev"))
}

fn make(asked: &Asked, qemu: &Described) -> Result<Vec<OsString>, String> {
    let machine = asked.machine.get("type").map(String::as_str);
    let unknown =
        || format!("QEMU does not say what memory the machine {} has", machine.unwrap_or_default());
    let id = qemu.ram_id(machine).filter(|_| machine != Some("none")).ok_or_else(unknown)?;
    let bytes = match asked.memory.get("size") {
        Some(size) => bytes(size).ok_or_else(|| format!("-m {size} is not understood"))?,
        None if id == "pc.ram" => DEFAULT,
        None => return Err("the size of the guest's memory is not known without -m".into()),
    };
    let object =
        format!("memory-backend-memfd,id={id},size={},share=on", bytes.next_multiple_of(ROUND));
    Ok(["-object".into(), object, "-machine".into(), format!("memory-backend={id}")]
        .map(OsString::from)
        .to_vec())
}

/// Reads a size as `-m` takes it: in MiB, or with a unit.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "M" => 20,
        "B" => 0,
        "K" => 10,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
    }
    let number = number.parse::<f64>().ok()?;
    Some((number * (1_u64 << shift) as f64) as u64).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn qemu() -> Described {
        let machine = |name, alias, ram: &str, default| json!({ "name": name, "alias": alias, "default-ram-id": ram, "is-default": default });
        Described::of(
            (7, 2),
            vec![
                machine("pc-i440fx-7.2", "pc", "pc.ram", true),
                machine("microvm", "", "microvm.ram", false),
            ],
        )
    }

    fn shared(text: &str) -> Result<String, String> {
        let command: Vec<OsString> = text.split(' ').map(OsString::from).collect();
        let words = share(&command, &qemu())?;
        Ok(words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn plain_memory_gets_a_backend_with_the_machines_own_id() {
        let pc = |mib: u64| {
            let size = mib << 20;
            Ok(format!(
                "-object memory-backend-memfd,id=pc.ram,size={size},share=on -machine memory-backend=pc.ram"
            ))
        };
        assert_eq!(shared("qemu -m 256"), pc(256));
        assert_eq!(shared("qemu -M pc,accel=tcg -m size=1G,slots=2,maxmem=4G"), pc(1024));
        assert_eq!(shared("qemu -machine type=pc -m 1.5G"), pc(1536));
        assert_eq!(shared("qemu"), pc(128));
        assert!(
            shared("qemu -M microvm -m 1g").unwrap().contains("id=microvm.ram,size=1073741824")
        );
        assert!(shared("qemu -M microvm").unwrap_err().contains("without -m"));
        assert!(shared("qemu -M virt -m 1G").unwrap_err().contains("machine virt"));
        assert!(shared("qemu -m many").unwrap_err().contains("-m many"));
    }

    #[test]
    fn memory_of_the_users_own_is_used_where_it_is_shared() {
        let none = Ok(String::new());
        assert_eq!(
            shared("qemu -M pc,memory-backend=m -object memory-backend-file,id=m,size=1G,share=on"),
            none
        );
        assert_eq!(
            shared("qemu -M q35,memory-backend=m -object memory-backend-memfd,id=m,size=1G"),
            none
        );
        assert_eq!(
            shared(
                "qemu -M q35,memory-backend=m -object {\"qom-type\":\"memory-backend-file\",\"id\":\"m\",\"share\":true}"
            ),
            none
        );
        assert_eq!(
            shared("qemu -object memory-backend-memfd,id=a,size=1G -numa node,memdev=a"),
            none
        );
        // A rule of -numa between nodes asks for no memory.
        assert_eq!(
            shared(
                "qemu -object memory-backend-memfd,id=a -numa node,memdev=a -numa dist,src=0,dst=0,val=10"
            ),
            none
        );
    }

    #[test]
    fn what_is_not_shared_is_named_and_left_alone() {
        let why = |text: &str| shared(text).unwrap_err();
        assert!(
            why("qemu -object memory-backend-ram,id=m,size=1G -M pc,memory-backend=m")
                .contains("'m'")
        );
        assert!(why("qemu -object memory-backend-file,id=m,size=1G,share=off").contains("'m'"));
        assert!(why("qemu -M pc,memory-backend=m").contains("memory-backend=m"));
        assert!(why("qemu -numa node,cpus=0").contains("-numa"));
        assert!(why("qemu -mem-path /x").contains("-mem-path"));
        assert!(why("qemu -readconfig x").contains("-readconfig"));
        assert!(why("qemu -M pc,confidential-guest-support=s").contains("confidential"));
        // Other objects are no memory.
        assert!(shared("qemu -object rng-random,id=r").is_ok());
    }
}
