// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client run`.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use xsk_client::{Error, Kind};
use xsk_command::{EndpointArgs, WaitArgs};

/// Start a command, and give its af-xdp netdevs sockets from the helper.
///
/// Every af-xdp netdev in COMMAND (-netdev, --netdev, -nic and -net; the comma form or JSON) gets
/// its sockets and is rewritten in place: inhibit=on, sock-fds=..., and mode= with the mode in
/// which the program is really attached. Nothing else in COMMAND changes. A netdev that already has
/// sock-fds or map-path is left alone.
///
/// Then this process becomes COMMAND. The lease lasts as long as COMMAND, or as a process that
/// inherits its descriptors.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,

    /// Ask for promiscuous mode, for all netdevs or for the one with this id (may be given several
    /// times).
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub promisc: Vec<String>,

    /// Make the guest's address one that arrives: write the interface's into its card, or have the
    /// interface receive for the card's.
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub mac: Option<Mac>,

    /// Ask for busy polling, for all netdevs or for the one with this id (may be given several
    /// times).
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub busy_poll: Vec<String>,

    /// The memory that COMMAND will lock, in bytes or with K, M or G.
    ///
    /// It is known for QEMU and xsk-backend. Any other program is started whatever the limit is,
    /// with a warning if the limit is short.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memlock: Option<u64>,

    /// Acquire this netdev too; COMMAND finds its option string in XSK_NETDEV_ID (may be given
    /// several times).
    ///
    /// XSK_FDS has the number of descriptors from 3 on that COMMAND inherits, for a container
    /// engine: podman run --preserve-fds="$XSK_FDS" ... XSK_LEASES names the connection of each
    /// lease with its sockets, so that a program can hear of a revoke: CONNECTION=SOCKET,SOCKET:...
    #[arg(long, value_name = "NETDEV")]
    pub acquire: Vec<OsString>,

    /// Print the command as it would be started, and acquire nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// How QEMU gets at the sockets.
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: Backend,

    /// Where xsk-backend logs, if it is started beside QEMU [default: standard error, or syslog
    /// where COMMAND has -daemonize].
    #[arg(long, value_name = "PATH")]
    pub log_file: Option<PathBuf>,

    /// The command, with its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Whose address the guest and the interface are to have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mac {
    /// The interface's: it becomes the mac= of the one -device that is plugged into the netdev.
    /// Refused where another lease has queues of the interface.
    Interface,
    /// The card's own: the interface receives for it too, where the policy has it among its macs.
    Guest,
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mac::Interface => "interface",
            Mac::Guest => "guest",
        })
    }
}

/// How QEMU gets at the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// By the first of vhost-user, direct and stream that works; a line says which.
    Auto,
    /// By its own af-xdp netdev.
    Direct,
    /// By xsk-backend as the guest's virtio card, in memory that both share.
    VhostUser,
    /// By xsk-backend and a stream netdev.
    Stream,
}

/// Reads a number of bytes.
fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 10),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 20),
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 30),
        _ => (Some(text), 0),
    };
    let number = digits.and_then(|digits| digits.parse::<u64>().ok());
    let bytes = number.and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("'{text}' is not a number of bytes, as 64M is"))
}

const EXAMPLES: &str = "\
The netdev is af-xdp,id=ID,ifname=INTERFACE, and may have more options:
  mode=native|skb      attach in the driver, or after it; native is tried first
  queues=N|all         so many queues (1), or all that receive
  start-queue=N        the first of them (0)
  force-copy=on|off    bind in copy mode
  inhibit, sock-fds    added: what the helper gave
  map-path, map-start-index   QEMU's own way, without the helper

Examples:
  xsk-client run --mac=interface -- \
    qemu-system-x86_64 ... -netdev af-xdp,id=n0,ifname=eth1 -device virtio-net-pci,netdev=n0
  xsk-client run --wait=30 --promisc=n0 -- qemu-system-x86_64 ... -netdev af-xdp,id=n0,ifname=eth1
  xsk-client run --helper /usr/libexec/xsk-helper -- xsk-backend --netdev af-xdp,id=n0,ifname=eth1 --peer echo
  xsk-client run --acquire af-xdp,id=n0,ifname=eth1 -- ./start-vm.sh

Exit status: that of COMMAND; 125 if xsk-client failed, 126 if COMMAND cannot be run, 127 if it is not found.";

/// The command line does not make sense.
pub(super) fn usage(object: &str, message: &str) -> Error {
    Error::new(Kind::Usage, object, message).hint("xsk-client run --help")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use xsk_command::Wait;

    use crate::{Cli, Command};

    fn parse(words: &[&str]) -> super::RunArgs {
        match Cli::try_parse_from(["xsk-client", "run"].iter().chain(words)).unwrap().command {
            Command::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_optional_where_they_say_so() {
        let args = parse(&["--wait", "--promisc", "--busy-poll=n1", "--promisc=n2", "--", "true"]);
        assert_eq!(
            (args.wait.wait, args.promisc.as_slice()),
            (Some(Wait::Forever), ["".to_owned(), "n2".into()].as_slice())
        );
        assert_eq!(args.busy_poll, ["n1"]);
        let half = Some(Wait::For(Duration::from_millis(500)));
        assert_eq!(parse(&["--wait=0.5", "--", "true"]).wait.wait, half);
    }

    #[test]
    fn the_help_lists_the_options_of_a_netdev() {
        let options =
            xsk_client::netdev::SYNTAX.split([',', '[']).filter_map(|part| part.split_once('='));
        let mut count = 0;
        for (option, _) in options {
            assert!(super::EXAMPLES.contains(&format!("{option}=")), "{option}");
            count += 1;
        }
        assert_eq!(count, 6);
    }

    #[test]
    fn sizes_have_a_unit_or_none() {
        let size = super::size;
        assert_eq!((size("65536"), size("64K"), size("1g")), (Ok(65536), Ok(65536), Ok(1 << 30)));
        for text in ["", "K", "64MiB", "-1", "1.5G", "99999999999G", "é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_may_hold_our_own_options() {
        let args = parse(&["--", "qemu", "--dry-run", "-netdev", "x", "--", "y"]);
        assert_eq!(args.command, ["qemu", "--dry-run", "-netdev", "x", "--", "y"]);
        assert!(!args.dry_run);
    }
}
