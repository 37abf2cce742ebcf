// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cables: veth pairs with one end on the host and the other in the peer's namespace, and what the kernel says
//! about an interface.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::Value;

use super::Lab;

/// A veth pair. The peer has the address; the host's end has none, since whoever gets the queues has them alone.
#[derive(Debug, Clone)]
pub struct Veth {
    /// The host's end.
    pub ifname: String,
    /// The peer's end.
    pub peer: String,
    /// The peer's address, with a prefix of 24 bits.
    pub peer_ip: Ipv4Addr,
    /// An address for whoever is at the host's end, in the same prefix.
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
            [&["link", "add", ifname], &both[..], &["type", "veth", "peer", "name", &veth.peer]].concat();
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
        for n in 0..veth.queues {
            let path = format!("{}/class/net/{}/queues/tx-{n}/xps_cpus", super::space::PEER_SYS, veth.peer);
            let cpus = std::fs::read_to_string("/sys/devices/system/cpu/present").unwrap();
            let last: u32 = cpus.trim().rsplit('-').next().unwrap().parse().unwrap();
            let mask = (1u64 << (last.min(62) + 1)) - 1;
            self.in_peer(|| std::fs::write(&path, if n == queue { format!("{mask:x}") } else { "0".into() }))
                .unwrap();
        }
    }

    /// What `ip -d link show` says of an interface; `None` where there is none.
    pub fn link(&self, ifname: &str) -> Option<Value> {
        let done = Command::new("ip").args(["-j", "-d", "link", "show", ifname]).output().unwrap();
        let list: Value = serde_json::from_slice(&done.stdout).ok()?;
        list.get(0).cloned()
    }

    /// The XDP program on an interface, if there is one.
    pub fn xdp(&self, ifname: &str) -> Option<Xdp> {
        let link = self.link(ifname)?;
        let (mode, xdp) = ["xdp", "xdpgeneric", "xdpoffload", "xdpmulti"]
            .iter()
            .find_map(|mode| Some((mode, link.get(mode)?)))
            .or_else(|| Some((&"xdp", link.get("xdp")?)))?;
        let id = xdp.pointer("/prog/id").or_else(|| xdp.get("id"))?.as_u64()?;
        let number = xdp.get("mode").and_then(Value::as_u64);
        let mode = match number {
            Some(1) => "xdp",
            Some(2) => "xdpgeneric",
            Some(3) => "xdpoffload",
            Some(4) => "xdpmulti",
            _ => mode,
        };
        Some(Xdp { id, mode: mode.to_owned() })
    }

    /// The index of an interface.
    pub fn ifindex(&self, ifname: &str) -> u32 {
        let link = self.link(ifname).unwrap_or_else(|| panic!("there is no {ifname}"));
        u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap()
    }

    /// Waits until no XDP program is on the interface.
    pub fn no_program(&self, ifname: &str) {
        super::wait_until(super::SOON, "the program to leave the interface", || self.xdp(ifname).is_none());
    }
}

impl super::space::Space {
    /// Makes a link with one end in the peer's namespace.
    fn add_link(&self, host: &[&str], peer: &[&str], name: &str) {
        ip(&[host, peer].concat());
        let process =
            format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(self.peer()));
        ip(&["link", "set", name, "netns", &process]);
    }
}

/// Runs `ip` and fails with what it said.
pub fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().unwrap();
    assert!(done.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
}
