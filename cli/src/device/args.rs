// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client device`.
#![forbid(unsafe_code)]

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  xsk-client device add vm1 af-xdp,ifname=eth1,queues=2
  xsk-client device list
  xsk-client device remove vm1";

/// Keep network cards for libvirt's virtual machines.
///
/// A device is an xsk-backend that serves one vhost-user socket. Its netdev is kept in
/// ~/.config/xsk/NAME.conf, and systemd's user manager runs it as xsk-backend@NAME.service. For
/// root it is /etc/xsk/NAME.conf and the system's manager.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeviceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DeviceCommand,
}

/// What to do with a device.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Write the device's file, start its unit, and print the XML for libvirt
    Add(AddArgs),
    /// Stop the device's unit and remove its file
    Remove {
        /// The device
        #[arg(value_name = "NAME", value_parser = name)]
        name: String,
    },
    /// Show the devices, a line each: name, state of the unit, netdev
    List,
}

/// What a new device is.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The device: letters, digits, '.', '_' and '-', at most 64
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
    /// The interface and its queues, as xsk-backend and QEMU take them: af-xdp,ifname=eth1
    #[arg(value_name = "NETDEV")]
    pub netdev: String,
}

/// Reads a name that is the same in a path, a unit and an option of vhost-user.
fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.len() <= 64 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err("a device's name begins with a letter or digit, and has letters, digits, '.', '_' and '-', at most 64"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_leaves_no_folder_and_adds_no_option() {
        assert!(["vm1", "web-1.eth0", &"a".repeat(64)].into_iter().all(|text| name(text).is_ok()));
        let bad = ["", "..", ".x", "-x", "a/b", "a,mode=660", "a%i", "a b", &"a".repeat(65)];
        assert!(bad.into_iter().all(|text| name(text).is_err()));
    }
}
