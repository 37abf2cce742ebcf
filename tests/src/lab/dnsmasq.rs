// SPDX-License-Identifier: MIT OR Apache-2.0
//! DHCP and TFTP at the peer, for a guest that boots from the network.

use std::fs;

use super::{Lab, Running, SOON, Veth, wait_until};

/// The name of the file that the guest is told to read.
pub const BOOT_FILE: &str = "lab.ipxe";

impl Lab {
    /// Starts dnsmasq at the peer's end of the cable; it gives the guest the cable's second
    /// address, and [`BOOT_FILE`] with this content. Its log is on its standard error.
    pub fn dnsmasq(&self, veth: &Veth, content: &str) -> Running {
        let root = self.path("tftp");
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join(BOOT_FILE), content).unwrap();
        let mut dnsmasq = self
            .peer_cmd("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--log-facility=-",
                "--log-dhcp",
                "--port=0",
            ])
            .args([
                "--user=root",
                "--group=root",
                "--dhcp-authoritative",
                "--no-ping",
                "--leasefile-ro",
            ])
            .args([
                "--bind-interfaces".into(),
                format!("--interface={}", veth.peer),
                "--pid-file=".into(),
            ])
            .arg(format!("--dhcp-range={0},{0},255.255.255.0", veth.ip))
            .args(["--enable-tftp".into(), format!("--tftp-root={}", root.display())])
            .arg(format!("--dhcp-boot={BOOT_FILE}"))
            .start();
        dnsmasq.says("TFTP root is", SOON);
        wait_until(SOON, "dnsmasq to stay", || dnsmasq.runs());
        dnsmasq
    }

    /// Lets the peer complete its checksums itself. AF_XDP carries no word of those that it leaves
    /// to its card, and QEMU's own af-xdp completes none.
    pub fn complete_checksums(&self, veth: &Veth) {
        self.peer_cmd("ethtool").args(["-K", &veth.peer, "tx", "off"]).run(SOON).ok();
    }
}
