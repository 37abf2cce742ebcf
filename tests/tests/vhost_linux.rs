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
fn a_linux_guest_pings_and_moves_tcp_both_ways() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (device, path) = lab.vhost(&veth, "");
    let mut server = lab.peer_cmd("iperf3").words("-s -i 0 --forceflush").start();
    server.says("Server listening", SOON);
    let script = format!(
        "ip address add {}/24 dev eth0
         ping -c 20 -i 0.05 -W 2 {peer}
         iperf3 -c {peer} -t 2 -i 0 -f m
         iperf3 -c {peer} -t 2 -i 0 -f m -R
         echo guest-is-done",
        veth.ip,
        peer = veth.peer_ip
    );
    let mut guest = match lab.uml(&path, &script) {
        Ok(guest) => guest.start(),
        Err(why) => skip!("{why}"),
    };
    guest.says("guest-is-done", LONG);
    let said = guest.stdout();
    assert!(said.contains("20 received"), "{said}\n{}", device.stderr());
    let speeds: Vec<_> = said.lines().filter(|line| line.ends_with("receiver")).collect();
    assert_eq!(speeds.len(), 2, "{said}");
    speeds.iter().for_each(|line| say_figure(line));
    lab.end_uml(guest);
    server.kill();
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
