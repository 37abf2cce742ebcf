// SPDX-License-Identifier: MIT OR Apache-2.0
//! DPDK: its virtio-user as the front end of a vhost-user device, and its own device to compare
//! with.

use std::path::Path;

use super::{Cmd, Lab, SOON, Veth};

const TESTPMD: &str = "/usr/bin/dpdk-testpmd";

/// What keeps it to itself, without huge pages.
const ALONE: &str = "--no-huge --no-shconf --no-telemetry --no-pci";

/// What is common to every run. Without statistics it ends with its standard input.
const RUN: &str = "--auto-start --stats-period 1 --no-mlockall --total-num-mbufs=8192";

/// Whether it is installed.
///
/// # Errors
/// A sentence for [`crate::skip!`].
pub fn is_there() -> Result<(), String> {
    let missing = || format!("{TESTPMD} is missing: apt-get install dpdk-dev");
    Path::new(TESTPMD).exists().then_some(()).ok_or_else(missing)
}

impl Lab {
    /// A front end of root's on the second processor. `options` follow those of virtio-user; `mode`
    /// is how it forwards, and more options.
    pub fn virtio_user(&self, path: &Path, options: &str, queues: u32, mode: &str) -> Cmd {
        self.cmd(TESTPMD)
            .words(&format!("--lcores 0@1,1@1 {ALONE} -m 128 --file-prefix fe"))
            .args([format!(
                "--vdev=net_virtio_user0,path={},queues={queues}{options}",
                path.display()
            )])
            .words(&format!("-- --rxq={queues} --txq={queues} {RUN} --forward-mode={mode}"))
            .env("HOME", "/root")
    }

    /// DPDK's own device of one pair on the first processor: vhost and af_xdp, in copy mode.
    pub fn dpdk_device(&self, path: &Path, veth: &Veth) -> Cmd {
        let socket = "start_queue=0,queue_count=1,force_copy=1,busy_budget=0";
        self.cmd(TESTPMD)
            .words(&format!("--lcores 0@0,1@0 {ALONE} -m 256 --file-prefix be"))
            .args([format!("--vdev=net_vhost0,iface={},queues=1", path.display())])
            .args([format!("--vdev=net_af_xdp0,iface={},{socket}", veth.ifname)])
            .words(&format!("-- {RUN} --forward-mode=io"))
            .env("HOME", "/root")
    }

    /// Frames that have come by the cable.
    pub fn seen_by_peer(&self, veth: &Veth) -> u64 {
        let link = ["-j", "-s", "link", "show", "dev", &veth.peer];
        let said = self.peer_cmd("ip").args(link).run(SOON).ok().stdout;
        let link: serde_json::Value = serde_json::from_str(&said).unwrap();
        link[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
    }
}
