// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arguments, for root and the service user only: nobody else's are parsed.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use xsk_helper::admin;

/// Grants AF_XDP sockets of network interfaces to ordinary users.
///
/// Without arguments it serves one connection on its standard input; xsk-client, sudo, pkexec and
/// systemd start it like that. Only root and the service user, _xsk-helper, may give it arguments.
/// The policy is in /etc/xsk-helper/policy.toml.
#[derive(Debug, Parser)]
#[command(name = "xsk-helper", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  xsk-helper listen --socket /run/xsk-helper/socket --socket-group xsk
  xsk-helper check-policy
  xsk-helper check-policy --as alice
  xsk-helper check-policy --as alice eth1
  xsk-helper edit-policy
  xsk-helper revoke eth1 --queue 0
  xsk-helper revoke --user mallory --kill
  xsk-helper reap

Exit status: 0 done, 64 usage, 66 no lease matches, 69 a failure of its own, 75 busy, 77 denied, 78 configuration.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Accept connections and serve each in a process of its own, without systemd
    Listen(Listen),
    /// Check the policy for errors, or show what it grants to a user
    CheckPolicy(CheckPolicy),
    /// Edit the policy with an editor; check it, and replace it in one step
    EditPolicy(EditPolicy),
    /// Remove what a killed helper left behind, beside running leases
    Reap,
    /// End leases: of an interface, a queue, a user
    Revoke(Revoke),
}

/// Arguments of `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// Where to listen (SOCK_SEQPACKET)
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// The policy, instead of /etc/xsk-helper/policy.toml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The socket's mode
    #[arg(long, value_name = "OCTAL", default_value = "0660", value_parser = octal)]
    pub socket_mode: u32,
    /// The socket's group, whose members may connect
    #[arg(long, value_name = "NAME", default_value = "xsk")]
    pub socket_group: String,
}

/// Arguments of `check-policy`.
#[derive(Debug, Args)]
pub struct CheckPolicy {
    /// The policy, instead of /etc/xsk-helper/policy.toml
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Show every rule about USER, their groups, and whether they can reach the helper; with
    /// IFNAME, say what they would be granted there, and by which rule
    #[arg(long = "as", num_args = 1..=2, value_names = ["USER", "IFNAME"])]
    pub subject: Option<Vec<String>>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `edit-policy`.
#[derive(Debug, Args)]
pub struct EditPolicy {
    /// A file of policy.d, by its name, instead of policy.toml
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Arguments of `revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The interface; without it, every interface
    #[arg(value_name = "IFNAME", required_unless_present_any = ["queue", "user", "lease", "all"])]
    pub ifname: Option<String>,
    /// Only the lease that has this queue
    #[arg(long, value_name = "N")]
    pub queue: Option<u32>,
    /// Only the leases of this user, by name or number
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only the lease with this number, as `xsk-client status --json` shows it
    #[arg(long, value_name = "NUMBER")]
    pub lease: Option<u64>,
    /// Every lease
    #[arg(long, conflicts_with_all = ["ifname", "queue", "user", "lease"])]
    pub all: bool,
    /// End the processes of the lease's user that still hold a socket of it, by SIGTERM and then
    /// SIGKILL. Processes that have another uid are named and left alone
    #[arg(long)]
    pub kill: bool,
}

impl From<Listen> for admin::Command {
    fn from(Listen { socket, policy, socket_mode, socket_group }: Listen) -> Self {
        Self::Listen(admin::Listen { socket, policy, socket_mode, socket_group })
    }
}

impl From<CheckPolicy> for admin::CheckPolicy {
    fn from(CheckPolicy { file, subject, .. }: CheckPolicy) -> Self {
        let mut words = subject.into_iter().flatten();
        let subject = words.next().map(|user| admin::Subject { user, ifname: words.next() });
        Self { file, subject }
    }
}

impl From<Revoke> for admin::Command {
    fn from(Revoke { ifname, queue, user, lease, kill, .. }: Revoke) -> Self {
        Self::Revoke(admin::Revoke { ifname, queue, user, lease, kill })
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected an octal mode from 0 to 0777".to_owned()),
    }
}

/// Reads the arguments, or ends the process with the usage.
pub(crate) fn parse() -> Command {
    match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            // Help and version are no errors; the rest is EX_USAGE, where clap itself would say 2.
            let status = if error.use_stderr() { 64 } else { 0 };
            let _ = error.print();
            std::process::exit(status);
        }
    }
}
