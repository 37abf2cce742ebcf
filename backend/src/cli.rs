// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line. Its own module, so that man page and completions are made from the same
//! description.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use xsk_command::{EndpointArgs, ErrorArgs, NoticeArgs, WaitArgs};

use crate::cpus::Cpus;
use crate::life::LifeArgs;
use crate::peer_spec::{self, PeerSpec};

const AFTER: &str = "\
Exit status: 0 ended by a signal, --count, --seconds or the peer; 64 command line, 69 helper not
reachable, 75 busy, 77 denied, 78 configuration of this machine, 1 something else ended it.

Signals: SIGTERM, SIGINT and SIGHUP end it; SIGUSR1 prints the statistics.

One line beginning with \"ready:\" is printed when all queues are bound.";

/// A rootless AF_XDP network backend with the options of QEMU.
#[derive(Debug, Parser)]
#[command(name = "xsk-backend", version, after_help = AFTER, after_long_help = format!("{}\n\n{AFTER}", peer_spec::help()))]
pub struct Cli {
    /// The interface, as QEMU's -netdev takes it:
    /// af-xdp,id=ID,ifname=NAME[,mode=native|skb][,force-copy=on|off]
    /// [,queues=N|all][,start-queue=N][,inhibit=on,sock-fds=A:B:…]. Without sock-fds the sockets
    /// come from xsk-helper. A second one is for --peer forward
    #[arg(long, value_name = "NETDEV", required_unless_present = "netdev_file")]
    pub netdev: Vec<String>,
    /// Read the netdev from a file, which holds what --netdev takes. Empty lines and lines that
    /// begin with # are skipped
    #[arg(long, value_name = "FILE", conflicts_with = "netdev")]
    pub netdev_file: Option<PathBuf>,
    /// Where frames go and come from: discard, reflect, echo=ADDR, generate, forward, pcap=FILE,
    /// stream=PATH or vhost-user=PATH
    #[arg(long, value_name = "PEER")]
    pub peer: PeerSpec,
    /// Frames of UMEM per queue; fewer if the limit of locked memory is short
    #[arg(long, value_name = "N", default_value_t = 896, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    pub frames: u32,
    /// Bytes per frame of UMEM: 2048 or 4096. A received frame can have 256 bytes less
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = frame_size)]
    pub frame_size: u32,
    /// Never sleep: use one core per queue, whether there are frames or not
    #[arg(long)]
    pub spin: bool,
    /// Processors for the queues' threads, in the order of the queues: 2,4-7. A queue's memory
    /// comes from its processor's node
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<Cpus>,
    /// Print the statistics every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub stats: Option<f64>,
    /// Print everything on standard output as JSON, one object per line
    #[arg(long)]
    pub json: bool,
    /// End after so many frames from the network, over all queues
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// How to reach the helper, and what to ask it for
    #[command(flatten)]
    pub helper: HelperArgs,
    /// How long it is wanted, and who hears of it
    #[command(flatten)]
    pub life: LifeArgs,
    /// How errors are written.
    #[command(flatten)]
    pub errors: ErrorArgs,

    /// How much is written beside errors.
    #[command(flatten)]
    pub notices: NoticeArgs,
}

/// How to reach the helper, and what to ask it for.
#[derive(Debug, clap::Args)]
pub struct HelperArgs {
    /// Where the helper is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Ask for promiscuous mode while the lease lasts, for a guest whose MAC address is not the
    /// interface's
    #[arg(long)]
    pub promisc: bool,
}

/// The description, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

fn frame_size(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(|size| [2048, 4096].contains(size));
    size.ok_or_else(|| format!("'{text}' is neither 2048 nor 4096"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.01..=1e9).contains(number));
    number.ok_or_else(|| format!("'{text}' is not a number of seconds from 0.01 on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_long_help_tells_every_peer() {
        let help = command().render_long_help().to_string();
        for peer in [
            "discard",
            "reflect",
            "echo=",
            "generate",
            "forward",
            "pcap=",
            "stream=",
            "vhost-user=",
        ] {
            assert!(help.contains(&format!("\n  {peer}")), "{peer}");
        }
    }

    #[test]
    fn two_ways_to_the_helper_exclude_each_other() {
        let line =
            ["xsk-backend", "--netdev", "x", "--peer", "discard", "--pkexec", "--socket", "/x"];
        assert!(Cli::try_parse_from(line).is_err());
    }
}
