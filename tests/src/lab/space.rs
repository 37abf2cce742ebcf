// SPDX-License-Identifier: MIT OR Apache-2.0
//! The namespaces of a lab: the host's (this thread's own), and the peer's, kept alive by a
//! descriptor alone.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// The folders that a lab covers with filesystems of its own.
const COVERED: [&str; 3] = ["/run/xsk-helper", "/etc/xsk-helper", super::DIR];

/// The sysfs of the peer's network namespace.
pub(super) const PEER_SYS: &str = "/run/xsk-lab/peer-sys";

#[derive(Debug)]
pub(super) struct Space {
    outer_net: File,
    outer_mount: File,
    host: File,
    peer: File,
}

impl Space {
    /// Moves this thread into a new host.
    pub(super) fn enter() -> io::Result<Self> {
        for dir in COVERED {
            fs::create_dir_all(dir)?;
        }
        let (outer_net, outer_mount) = (namespace("net")?, namespace("mnt")?);
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        for dir in COVERED {
            mount(Some("lab"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))?;
        }
        let peer = network(PEER_SYS)?;
        let host = network("/sys")?;
        Ok(Self { outer_net, outer_mount, host, peer })
    }

    pub(super) fn peer(&self) -> &File {
        &self.peer
    }

    /// The number of the host's network namespace.
    pub(super) fn host_id(&self) -> u64 {
        self.host.metadata().unwrap().ino()
    }

    /// Brings an interface in from where this thread came from.
    pub(super) fn take_from_outside(&self, name: &str) {
        let here = format!("/proc/{}/fd/{}", std::process::id(), self.host.as_raw_fd());
        setns(&self.outer_net, CloneFlags::CLONE_NEWNET).unwrap();
        super::link::ip(&["link", "set", "dev", name, "netns", &here]);
        setns(&self.host, CloneFlags::CLONE_NEWNET).unwrap();
    }

    pub(super) fn in_peer<T>(&self, act: impl FnOnce() -> T) -> T {
        setns(&self.peer, CloneFlags::CLONE_NEWNET).unwrap();
        let done = act();
        setns(&self.host, CloneFlags::CLONE_NEWNET).unwrap();
        done
    }
}

impl Drop for Space {
    /// Back to where the thread came from, so that the lab's namespaces lose their last reference.
    fn drop(&mut self) {
        let _ = setns(&self.outer_net, CloneFlags::CLONE_NEWNET);
        let _ = setns(&self.outer_mount, CloneFlags::CLONE_NEWNS);
    }
}

/// Enters a new network namespace, with loopback up, without IPv6's own chatter, and with a sysfs
/// that shows it.
fn network(sys: &str) -> io::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    fs::create_dir_all(sys)?;
    mount(Some("lab"), sys, Some("sysfs"), MsFlags::empty(), None::<&str>)?;
    for scope in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        if fs::exists(&path)? {
            fs::write(path, "1")?;
        }
    }
    super::link::ip(&["link", "set", "lo", "up"]);
    namespace("net")
}

fn namespace(kind: &str) -> io::Result<File> {
    File::open(format!("/proc/thread-self/ns/{kind}"))
}
