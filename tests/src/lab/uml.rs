// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real Linux guest with the real virtio-net driver, at the machine's own speed and without KVM:
//! user-mode Linux, whose network card is a vhost-user socket.

use std::path::{Path, PathBuf};

use super::{Cmd, Lab, Running, SOON, sys};

/// Where Debian has its modules, below a folder named by the version.
const MODULES: &str = "/usr/lib/uml/modules";

/// What every guest does first. Its root is the host's, as the user sees it.
const INIT: &str = "#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
for module in net/core/failover drivers/net/net_failover drivers/net/virtio_net; do
    insmod MODULES/kernel/$module.ko
done
ip link set lo up
ip link set eth0 up
";

impl Lab {
    /// A guest of the lab's user with one network card, that runs `script` as its init, ends when
    /// that ends and writes to standard output.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn uml(&self, socket: &Path, script: &str) -> Result<Cmd, String> {
        let modules = modules()?;
        let init = self.path("guest-init");
        let text = INIT.replace("MODULES", &modules.display().to_string());
        std::fs::write(&init, format!("{text}\n{script}\nsleep 600\n")).unwrap();
        sys::chmod(&init, 0o755);
        let device = format!("virtio_uml.device={}:1", socket.display());
        Ok(self
            .user_cmd("linux.uml")
            .new_session()
            .words("mem=256M root=/dev/root rootfstype=hostfs rootflags=/ rw")
            .words("con=null con0=fd:0,fd:1 con1=null quiet")
            .args([format!("init={}", init.display()), device])
            .env("TMPDIR", "/dev/shm")
            .env("HOME", socket.parent().unwrap()))
    }
}

impl Lab {
    /// Ends a guest: its kernel, and the processes that are its processes.
    pub fn end_uml(&self, guest: Running) {
        let session = guest.pid();
        guest.kill();
        super::wait_until(SOON, "the guest's processes to end", || {
            let all = self.processes().into_iter().filter(|process| process.session() == session);
            all.inspect(|process| process.kill()).count() == 0
        });
    }
}

fn modules() -> Result<PathBuf, String> {
    let missing = || "user-mode Linux is missing: apt-get install user-mode-linux".to_owned();
    let folders = std::fs::read_dir(MODULES).map_err(|_| missing())?;
    let with_driver = |folder: &PathBuf| folder.join("kernel/drivers/net/virtio_net.ko").exists();
    folders.flatten().map(|entry| entry.path()).find(with_driver).ok_or_else(missing)
}
