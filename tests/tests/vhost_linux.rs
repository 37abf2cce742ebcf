// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-backend --peer vhost-user` as the network card of a real Linux guest: user-mode Linux, with
//! the real driver.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, Running, SOON, Veth, say_figure};
use xsk_tests::{lab, skip};

/// A busy machine is slow.
const LONG: Duration = Duration::from_secs(60);

/// What one run moved.
struct Moved {
    megabytes: f64,
    megabits: f64,
    /// Of the guest and its device.
    seconds: f64,
}

impl Moved {
    fn a_second(&self) -> f64 {
        self.megabytes / self.seconds
    }
}

/// Processor time that the guest and the device have used.
fn seconds(lab: &Lab, device: &Running) -> f64 {
    let guests = lab.processes().into_iter().filter(|process| process.runs("linux.uml"));
    let all = guests.chain([Process::new(device.pid())]).map(Process::ticks_with_children);
    all.sum::<u64>() as f64 / 100.0
}

/// TCP out of the guest and into it.
fn tcp(lab: &Lab, veth: &Veth, device: &Running, path: &Path) -> Result<[Moved; 2], String> {
    let mut server = lab.peer_cmd("iperf3").words("-s -i 0 --forceflush").start();
    server.says("Server listening", SOON);
    let go = |number: u32| lab.path(&format!("go-{number}"));
    let wait = |number| format!("while ! test -e {}; do sleep 0.05; done", go(number).display());
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
    let mut guest = lab.uml(path, &script)?.start();
    guest.says("20 received", LONG);
    let mut run = |number: u32, end: &str| {
        let before = seconds(lab, device);
        std::fs::write(go(number), "").unwrap();
        guest.says(end, LONG);
        seconds(lab, device) - before
    };
    let used = [run(1, "out-is-done"), run(2, "in-is-done")];
    let said = guest.stdout();
    (1..=2).for_each(|number| std::fs::remove_file(go(number)).unwrap());
    lab.end_uml(guest);
    server.kill();
    let mut lines = said.lines().filter(|line| line.ends_with("receiver"));
    Ok(used.map(|seconds| {
        let line = lines.next().expect(&said);
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        Moved { megabytes: numbers[0], megabits: numbers[1], seconds }
    }))
}

#[test]
fn a_linux_guest_moves_tcp_both_ways_with_and_without_offloads() {
    let lab = lab!();
    let veth = lab.veth(1);
    let mut all = vec![];
    for options in ["", ",csum=off"] {
        let (device, path) = lab.vhost(&veth, options);
        match tcp(&lab, &veth, &device, &path) {
            Ok(moved) => all.push(moved),
            Err(why) => skip!("{why}"),
        }
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
    for (way, name) in ["out of", "into"].iter().enumerate() {
        let [with, without] = [&all[0][way], &all[1][way]];
        say_figure(&format!(
            "TCP {name} the guest: {:.0} Mbit/s and {:.0} MB a processor second, without offloads {:.0} and {:.0}",
            with.megabits,
            with.a_second(),
            without.megabits,
            without.a_second()
        ));
        assert!(with.megabytes > 10.0 && without.megabytes > 10.0, "hardly anything {name} the guest");
    }
}

/// What leaves the guest, by the word of a parser of somebody else's.
#[test]
fn a_linux_guests_segments_are_sound() {
    let lab = lab!();
    let veth = lab.veth(1);
    for options in ["", ",tso=off"] {
        let (device, path) = lab.vhost(&veth, options);
        let capture = lab.path("capture");
        let mut dump = lab
            .peer_cmd("tcpdump")
            .args(["-U", "-i", &veth.peer, "-w"])
            .arg(&capture)
            .args(["-c", "3000", "tcp and src host", &veth.ip.to_string()])
            .start();
        dump.says("listening on", SOON);
        if let Err(why) = tcp(&lab, &veth, &device, &path) {
            skip!("{why}");
        }
        dump.finish(LONG).ok();
        let tshark = |filter: &str| {
            let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", filter];
            let parsed = lab.cmd("tshark").arg("-r").arg(&capture).args(checks).run(LONG).ok();
            parsed.stdout.lines().count()
        };
        assert!(tshark("tcp.len > 1000 && frame.len <= 1514") > 500, "{options}: hardly any segment");
        let bad = tshark("tcp.checksum.status != 1 || ip.checksum.status != 1 || frame.len > 1514");
        assert_eq!(bad, 0, "{options}");
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
