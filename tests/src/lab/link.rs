// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cables: veth pairs with one end on the host and the other in the peer's namespace, and what the
//! kernel says about an interface.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::Value;

use super::Lab;

/// A veth pair. The peer has the address; the host's end has none, since the holder of the queues
/// has them alone.
#[derive(Debug, Clone)]
pub struct Veth {
    /// The host's end.
    pub ifname: String,
    /// The peer's end.
    pub peer: String,
    /// The peer's address, with a prefix of 24 bits.
    pub peer_ip: Ipv4Addr,
    /// An address for the host's end, in the same prefix.
    pub ip: Ipv4Addr,
    /// The number of queues of the host's end.
    pub queues: u32,
}

/// The XDP program on an interface, as `ip` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xdp {
    /// The program's id.
    pub id: u64,
    /// `xdp` (native), `xdpgeneric` (skb) or `xdpmulti`.
    pub mode: String,
}

impl Lab {
    /// Makes a veth pair `eth1`/`peer1`, the next one `eth2`/`peer2`, up on both ends.
    pub fn veth(&self, queues: u32) -> Veth {
        let n = self.links.get() + 1;
        self.links.set(n);
        self.veth_named(&format!("eth{n}"), n, queues)
    }

    /// Makes a veth pair of which the host's end has this name; `n` numbers peer and network.
    pub fn veth_named(&self, ifname: &str, n: u8, queues: u32) -> Veth {
        let veth = Veth {
            ifname: ifname.to_owned(),
            peer: format!("peer{n}"),
            peer_ip: Ipv4Addr::new(10, 77, n, 1),
            ip: Ipv4Addr::new(10, 77, n, 2),
            queues,
        };
        let count = queues.to_string();
        let both = ["numrxqueues", &count, "numtxqueues", &count];
        let host =
            [&["link", "add", ifname], &both[..], &["type", "veth", "peer", "name", &veth.peer]]
                .concat();
        self.space.add_link(&host, &both, &veth.peer);
        self.in_peer(|| {
            ip(&["address", "add", &format!("{}/24", veth.peer_ip), "dev", &veth.peer]);
            ip(&["link", "set", &veth.peer, "up"]);
        });
        ip(&["link", "set", ifname, "up"]);
        veth
    }

    /// Gives the host's own stack the cable's second address.
    pub fn give_address(&self, veth: &Veth) {
        ip(&["address", "add", &format!("{}/24", veth.ip), "dev", &veth.ifname]);
    }

    /// From now on what the peer sends arrives on this queue alone.
    pub fn steer(&self, veth: &Veth, queue: u32) {
        // The kernel has no such setting where there is nothing to choose.
        for n in (0..veth.queues).filter(|_| veth.queues > 1) {
            let path = format!(
                "{}/class/net/{}/queues/tx-{n}/xps_cpus",
                super::space::PEER_SYS,
                veth.peer
            );
            let cpus = std::fs::read_to_string("/sys/devices/system/cpu/present").unwrap();
            let last: u32 = cpus.trim().rsplit('-').next().unwrap().parse().unwrap();
            let mask = (1u64 << (last.min(62) + 1)) - 1;
            self.in_peer(|| {
                std::fs::write(&path, if n == queue { format!("{mask:x}") } else { "0".into() })
            })
            .unwrap();
        }
    }

    /// Moves an interface of the host to the peer's namespace.
    pub fn move_to_peer(&self, ifname: &str) {
        self.space.move_to_peer(ifname);
    }

    /// Every interface of the host that has an XDP program: its index, and the program's id.
    pub fn programs(&self) -> Vec<(u32, u64)> {
        let done = Command::new("ip").args(["-j", "-d", "link", "show"]).output().unwrap();
        let list: Value = serde_json::from_slice(&done.stdout).unwrap();
        let one =
            |link: &Value| Some((u32::try_from(link["ifindex"].as_u64()?).ok()?, xdp_of(link)?.id));
        list.as_array().unwrap().iter().filter_map(one).collect()
    }

    /// What `ip -d link show` says of an interface; `None` where there is none.
    pub fn link(&self, ifname: &str) -> Option<Value> {
        let done = Command::new("ip").args(["-j", "-d", "link", "show", ifname]).output().unwrap();
        let list: Value = serde_json::from_slice(&done.stdout).ok()?;
        list.get(0).cloned()
    }

    /// The XDP program on an interface, if there is one.
    pub fn xdp(&self, ifname: &str) -> Option<Xdp> {
        xdp_of(&self.link(ifname)?)
    }

    /// The index of an interface.
    pub fn ifindex(&self, ifname: &str) -> u32 {
        let link = self.link(ifname).unwrap_or_else(|| panic!("there is no {ifname}"));
        u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap()
    }

    /// Waits until no XDP program is on the interface.
    pub fn no_program(&self, ifname: &str) {
        super::wait_until(super::SOON, "the program to leave the interface", || {
            self.xdp(ifname).is_none()
        });
    }
}

impl super::space::Space {
    /// Makes a link with one end in the peer's namespace.
    fn add_link(&self, host: &[&str], peer: &[&str], name: &str) {
        ip(&[host, peer].concat());
        self.move_to_peer(name);
    }

    fn move_to_peer(&self, name: &str) {
        let process = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            std::os::fd::AsRawFd::as_raw_fd(self.peer())
        );
        ip(&["link", "set", name, "netns", &process]);
    }
}

fn xdp_of(link: &Value) -> Option<Xdp> {
    let xdp = link.get("xdp")?;
    let id = xdp.pointer("/prog/id")?.as_u64()?;
    // IFLA_XDP_ATTACHED of linux/if_link.h.
    let mode = match xdp.get("mode")?.as_u64()? {
        1 => "xdp",
        2 => "xdpgeneric",
        3 => "xdpoffload",
        _ => "xdpmulti",
    };
    Some(Xdp { id, mode: mode.to_owned() })
}

/// Runs `ip` and fails with what it said.
pub fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().unwrap();
    assert!(
        done.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&done.stderr)
    );
}
