// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of a QEMU, and what it says that it can do.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::sys::process;

/// How long a QEMU may take to say what it can do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What QEMU locks for a queue, in bytes: 8192 frames of 4096 (`af_xdp_umem_create`, net/af-xdp.c).
pub(crate) const QEMU_QUEUE: u64 = 32 << 20;

/// The types of netdev that this QEMU has; `None` where it does not say.
pub(crate) fn netdevs(qemu: &Path, patience: Duration) -> Option<Vec<String>> {
    let list = process::output(qemu, &["-netdev", "help"], patience)?;
    let types: Vec<String> = list.lines().map(|line| line.trim().to_owned()).collect();
    // Every QEMU has hubport: without it this is not such a list.
    types.iter().any(|name| name == "hubport").then_some(types)
}

/// Whether this QEMU has the af-xdp netdev; `None` where it does not say.
pub(crate) fn has_af_xdp(qemu: &Path, patience: Duration) -> Option<bool> {
    netdevs(qemu, patience).map(|types| types.iter().any(|name| name == "af-xdp"))
}

/// What a QEMU says of itself over QMP.
#[derive(Debug, Clone, Default)]
pub(crate) struct Described {
    /// The first two numbers of its version.
    pub(crate) version: (u64, u64),
    machines: Vec<Value>,
}

/// Starts a QEMU without a machine, and asks it.
pub(crate) fn describe(qemu: &Path, patience: Duration) -> Option<Described> {
    const COMMANDS: &str = "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-machines\"}\n\
                            {\"execute\":\"quit\"}\n";
    let arguments = ["-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"];
    let said = process::answers(qemu, &arguments, COMMANDS, patience)?;
    let said: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let number = |part: &str| said.first()?.pointer(&format!("/QMP/version/qemu/{part}"))?.as_u64();
    let machines = said.iter().find_map(|answer| answer.get("return")?.as_array());
    Some(Described { version: (number("major")?, number("minor")?), machines: machines?.clone() })
}

impl Described {
    #[cfg(test)]
    pub(crate) fn of(version: (u64, u64), machines: Vec<Value>) -> Self {
        Self { version, machines }
    }

    /// The id of the main memory of a machine, of the default one where none is named.
    pub(crate) fn ram_id(&self, machine: Option<&str>) -> Option<&str> {
        let is_it = |known: &&Value| match machine {
            Some(name) => {
                ["name", "alias"].iter().any(|key| known.get(key).is_some_and(|v| v == name))
            }
            None => known.get("is-default").is_some_and(|value| value == true),
        };
        self.machines.iter().find(is_it)?.get("default-ram-id")?.as_str()
    }

    /// The option by which a stream or a chardev of it connects again after a second, where it can.
    pub(crate) fn reconnect(&self) -> &'static str {
        if self.version >= (9, 2) { "reconnect-ms=1000" } else { "reconnect=1" }
    }
}

/// The version that this QEMU says it has.
pub(crate) fn version(qemu: &Path, patience: Duration) -> Option<String> {
    let text = process::output(qemu, &["--version"], patience)?;
    let line = text.lines().next()?;
    line.strip_prefix("QEMU emulator version ").map(str::to_owned)
}
