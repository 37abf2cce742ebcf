// SPDX-License-Identifier: MIT OR Apache-2.0
//! A vhost-user device of the lab's user, and the distribution's QEMU as its front end.

use std::path::{Path, PathBuf};

use nix::sys::resource::Resource;
use nix::sys::signal::Signal;

use super::frontend::FrontEnd;
use super::{Cmd, Lab, Running, SOON, Veth};

/// Where Debian has its QEMU.
pub const QEMU: &str = "/usr/bin/qemu-system-x86_64";

impl Lab {
    /// The path of a socket in a folder that is the lab's user's own.
    pub fn vhost_socket(&self) -> PathBuf {
        let folder = self.path("vhost");
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(self.user.uid), None).unwrap();
        folder.join("n0")
    }

    /// The command of a device with nothing but what a login gives: no capability, and systemd's
    /// default of locked memory. `options` follow the path.
    pub fn vhost_cmd(&self, veth: &Veth, options: &str) -> Cmd {
        self.allow(&veth.ifname);
        let netdev = format!("af-xdp,id=n0,ifname={},queues={}", veth.ifname, veth.queues);
        let peer = format!("vhost-user={}{options}", self.vhost_socket().display());
        self.client("run")
            .rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20)
            .arg("--")
            .arg(self.bin("xsk-backend"))
            .args(["--netdev", &netdev, "--peer", &peer])
    }

    /// Such a device, started, and the path of its socket.
    pub fn vhost(&self, veth: &Veth, options: &str) -> (Running, PathBuf) {
        let mut running = self.vhost_cmd(veth, options).start();
        running.says("ready:", SOON);
        (running, self.vhost_socket())
    }

    /// A device that lets the test in, which is root, on a cable with as many queues.
    pub fn vhost_for_root(&self, queues: u32) -> (Veth, Running, PathBuf) {
        let veth = self.veth(queues);
        let (device, path) = self.vhost(&veth, ",user=0");
        (veth, device, path)
    }

    /// The device of [`vhost_for_root`](Self::vhost_for_root) still serves, ends when it is told
    /// to, and leaves nothing.
    pub fn vhost_ends_well(&self, veth: &Veth, device: Running, path: &Path) {
        drop(FrontEnd::working(path, veth.queues));
        device.signal(Signal::SIGTERM);
        device.finish(SOON).ok();
        self.nothing_left(&veth.ifname, &[]);
    }

    /// A guest of the lab's user in the distribution's QEMU, that boots from the network. Not
    /// started.
    pub fn vhost_qemu(&self, program: &Path, path: &Path, queues: u32) -> Cmd {
        let card = "virtio-net-pci-non-transitional,netdev=n0,romfile=pxe-virtio.rom,bootindex=0";
        // From 9.2 on it is in milliseconds, and 10.2 knows no other.
        let reconnect =
            if program == Path::new(QEMU) { "reconnect=1" } else { "reconnect-ms=1000" };
        let mq =
            if queues > 1 { format!(",mq=on,vectors={}", 2 * queues + 2) } else { String::new() };
        self.user_cmd(program)
            .words("-M pc,memory-backend=m0 -accel tcg -m 256 -nodefaults -display none -vga none")
            .args(["-serial", "stdio", "-object", "memory-backend-memfd,id=m0,size=256M,share=on"])
            .args(["-chardev", &format!("socket,id=c0,path={},{reconnect}", path.display())])
            .args(["-netdev", &format!("vhost-user,id=n0,chardev=c0,queues={queues}")])
            .args(["-device", &format!("{card}{mq}")])
    }
}
