// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP between a Linux guest and the peer, with the processor time that it takes.

use std::path::Path;
use std::time::Duration;

use super::proc::Process;
use super::{Lab, Running, SOON, Veth};

/// A busy machine is slow.
const LONG: Duration = Duration::from_secs(60);

/// What one run moved.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// How much.
    pub megabytes: f64,
    /// How fast, in Mbit/s.
    pub megabits: f64,
    /// Processor time of the guest and its device.
    pub seconds: f64,
}

impl Moved {
    /// Megabytes a processor second.
    pub fn a_second(&self) -> f64 {
        self.megabytes / self.seconds
    }
}

/// Processor time that the guest and the device have used.
fn seconds(lab: &Lab, device: &Running) -> f64 {
    let guests = lab.processes().into_iter().filter(|process| process.runs("linux.uml"));
    let all = guests.chain([Process::new(device.pid())]).map(Process::ticks_with_children);
    all.sum::<u64>() as f64 / 100.0
}

impl Lab {
    /// TCP out of a guest of this device and into it, for some seconds each.
    ///
    /// # Errors
    /// A sentence for [`crate::skip!`].
    pub fn guest_tcp(
        &self,
        veth: &Veth,
        device: &Running,
        path: &Path,
    ) -> Result<[Moved; 2], String> {
        let mut server = self.peer_cmd("iperf3").words("-s -i 0 --forceflush").start();
        server.says("Server listening", SOON);
        let go = |number: u32| self.path(&format!("go-{number}"));
        let wait =
            |number| format!("while ! test -e {}; do sleep 0.05; done", go(number).display());
        let script = format!(
            "ip address add {ip}/24 dev eth0
         ping -c 20 -i 0.05 -W 2 {peer}
         {first}
         iperf3 -c {peer} -t 2 -i 0 -f m; echo out-is-done
         {second}
         iperf3 -c {peer} -t 2 -i 0 -f m -R; echo in-is-done",
            ip = veth.ip,
            peer = veth.peer_ip,
            first = wait(1),
            second = wait(2),
        );
        let mut guest = self.uml(path, &script)?.start();
        guest.says("20 received", LONG);
        let mut run = |number: u32, end: &str| {
            let before = seconds(self, device);
            std::fs::write(go(number), "").unwrap();
            guest.says(end, LONG);
            seconds(self, device) - before
        };
        let used = [run(1, "out-is-done"), run(2, "in-is-done")];
        let said = guest.stdout();
        (1..=2).for_each(|number| std::fs::remove_file(go(number)).unwrap());
        self.end_uml(guest);
        server.kill();
        let mut lines = said.lines().filter(|line| line.ends_with("receiver"));
        Ok(used.map(|seconds| {
            let line = lines.next().expect(&said);
            let numbers: Vec<f64> =
                line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            Moved { megabytes: numbers[0], megabits: numbers[1], seconds }
        }))
    }
}
