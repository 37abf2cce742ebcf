// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-backend --peer vhost-user` as the network card of a real Linux guest: user-mode Linux, with
//! the real driver.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use xsk_tests::lab::{SOON, say_figure};
use xsk_tests::{lab, skip};

/// A busy machine is slow.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_linux_guest_moves_tcp_both_ways_with_and_without_offloads() {
    let lab = lab!();
    let veth = lab.veth(1);
    let mut all = vec![];
    for options in ["", ",csum=off"] {
        let (device, path) = lab.vhost(&veth, options);
        match lab.guest_tcp(&veth, &device, &path) {
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
        assert!(
            with.megabytes > 10.0 && without.megabytes > 10.0,
            "hardly anything {name} the guest"
        );
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
        if let Err(why) = lab.guest_tcp(&veth, &device, &path) {
            skip!("{why}");
        }
        dump.finish(LONG).ok();
        let tshark = |filter: &str| {
            let checks =
                ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", filter];
            let parsed = lab.cmd("tshark").arg("-r").arg(&capture).args(checks).run(LONG).ok();
            parsed.stdout.lines().count()
        };
        assert!(
            tshark("tcp.len > 1000 && frame.len <= 1514") > 500,
            "{options}: hardly any segment"
        );
        let bad = tshark("tcp.checksum.status != 1 || ip.checksum.status != 1 || frame.len > 1514");
        assert_eq!(bad, 0, "{options}");
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
