// SPDX-License-Identifier: MIT OR Apache-2.0
//! A third network namespace with a cable of its own, so that frames from the peer to it have to go
//! through the host.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use super::link::ip;
use super::packet::Tap;
use super::{Lab, Veth};

/// The namespace.
#[derive(Debug)]
pub struct Far(File);

impl Lab {
    /// Moves the peer's end of a cable to a namespace of its own, where it is up and has these
    /// addresses. They may be of IPv6, which the lab has not elsewhere.
    pub fn far(&self, veth: &Veth, addresses: &[&str]) -> Far {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let far = Far(made.join().unwrap());
        let place = format!("/proc/{}/fd/{}", std::process::id(), far.0.as_raw_fd());
        self.in_peer(|| ip(&["link", "set", &veth.peer, "netns", &place]));
        far.within(|| {
            ip(&["link", "set", &veth.peer, "up"]);
            addresses.iter().for_each(|address| add_address(&veth.peer, address));
        });
        far
    }

    /// Gives the peer's end of a cable further addresses.
    pub fn give_peer(&self, veth: &Veth, addresses: &[&str]) {
        let switch = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", veth.peer);
        self.in_peer(|| {
            std::fs::write(switch, "0").unwrap();
            addresses.iter().for_each(|address| add_address(&veth.peer, address));
        });
    }
}

/// Without the wait for duplicates of an IPv6 address.
fn add_address(ifname: &str, address: &str) {
    let nodad = if address.contains(':') { &["nodad"][..] } else { &[] };
    ip(&[&["address", "add", address, "dev", ifname], nodad].concat());
}

impl Far {
    /// Does something there, on a thread of its own.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            });
            there.join().unwrap()
        })
    }

    /// A raw packet socket on an interface there.
    pub fn tap(&self, ifname: &str) -> Tap {
        self.within(|| Tap::on(nix::net::if_::if_nametoindex(ifname).unwrap()))
    }
}
