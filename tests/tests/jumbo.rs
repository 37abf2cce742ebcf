// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames of 9000 bytes, which come in several buffers, through the peers of the backend; and
//! frames that are too long for where they go.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::signal::Signal;
use serde_json::Value;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::packet::frame;
use xsk_tests::lab::{Lab, Running, SOON, Veth, wait_until};
use xsk_tests::{lab, skip};

/// A cable whose ends have this MTU.
fn cable(lab: &Lab, n: u8, mtu: u32) -> Veth {
    let veth = lab.veth_named(&format!("eth{n}"), n, 1);
    lab.allow("eth*");
    let mtu = mtu.to_string();
    ip(&["link", "set", &veth.ifname, "mtu", &mtu]);
    lab.in_peer(|| ip(&["link", "set", &veth.peer, "mtu", &mtu]));
    veth
}

/// The backend, which asks the helper itself.
fn backend(lab: &Lab, netdevs: &[&str], peer: &str) -> Running {
    lab.client("status").run(SOON);
    let mut cmd =
        lab.user_cmd("xsk-backend").args(["--helper", lab::HELPER, "--json", "--peer", peer]);
    for netdev in netdevs {
        cmd = cmd.args(["--netdev", netdev]);
    }
    let mut running = cmd.start();
    running.says("\"ready\"", SOON);
    running
}

fn end(running: Running) -> Value {
    running.signal(Signal::SIGTERM);
    let done = running.finish(SOON).ok();
    let end: Value = serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap();
    end["queues"].clone()
}

/// A frame of ours of this length.
fn long(length: usize) -> Vec<u8> {
    let mut frame = frame("long");
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    frame.extend((frame.len()..length).map(|n| ((n * 7) >> 3) as u8));
    frame
}

fn is_ours(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x88, 0xb5])
}

const MODES: [&str; 2] = ["native", "skb"];

#[test]
fn forward_passes_frames_of_9000_bytes_both_ways() {
    let lab = lab!();
    if !xsk_socket::has_several_buffers() {
        skip!("frames of several buffers need Linux 6.6");
    }
    let (left, right) = (cable(&lab, 1, 9000), cable(&lab, 2, 9000));
    for mode in MODES {
        let netdevs = ["eth1", "eth2"].map(|name| format!("af-xdp,ifname={name},mode={mode}"));
        let running = backend(&lab, &[&netdevs[0], &netdevs[1]], "forward");
        let (mut near, mut far) = (lab.peer_tap(&left), lab.peer_tap(&right));
        for length in [60, 1514, 3840, 3841, 4096, 4097, 8192, 9014] {
            near.send(&long(length));
            assert!(far.receive(SOON, is_ours).unwrap() == long(length), "{length} bytes, {mode}");
            far.send(&long(length));
            // A packet socket sees what it sends itself too, and that is the same.
            assert!(near.receive(SOON, is_ours).unwrap() == long(length), "{length} bytes, {mode}");
        }
        let queues = end(running);
        assert_eq!(
            (&queues[0]["rx_frames"], &queues[1]["rx_frames"]),
            (&8.into(), &8.into()),
            "{mode}"
        );
        lab.nothing_left("eth1", &[]);
        lab.nothing_left("eth2", &[]);
    }
}

#[test]
fn long_pings_are_answered_and_reflected_and_captured() {
    let lab = lab!();
    if !xsk_socket::has_several_buffers() {
        skip!("frames of several buffers need Linux 6.6");
    }
    let veth = cable(&lab, 1, 9000);
    let running = backend(&lab, &["af-xdp,ifname=eth1"], &format!("echo={}", veth.ip));
    let pings =
        lab.peer_cmd("ping").words("-c 5 -i 0.1 -W 2 -M do -s 8972").arg(veth.ip.to_string());
    let done = pings.run(SOON).ok();
    assert!(done.stdout.contains("5 received"), "{}", done.stdout);
    end(running);
    let running = backend(&lab, &["af-xdp,ifname=eth1"], "reflect");
    let mut tap = lab.peer_tap(&veth);
    let sent = long(9014);
    tap.send(&sent);
    let back = tap
        .receive(SOON, |frame| is_ours(frame) && frame[6..12] == sent[..6])
        .expect("it came back");
    assert!(back[12..] == sent[12..] && back[..6] == sent[6..12]);
    end(running);
    let folder = lab.path("capture");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(lab.user.uid), None).unwrap();
    let file = folder.join("long.pcap");
    let running = backend(&lab, &["af-xdp,ifname=eth1"], &format!("pcap={}", file.display()));
    tap.send(&sent);
    wait_until(SOON, "the capture", || {
        std::fs::metadata(&file).is_ok_and(|file| file.len() >= 40 + 9014)
    });
    end(running);
    assert!(std::fs::read(&file).unwrap().windows(9014).any(|window| window == sent));
    lab.nothing_left("eth1", &[]);
}

/// The frame that QEMU's framing carries next.
fn unframed(stream: &mut UnixStream) -> Vec<u8> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).unwrap();
        if is_ours(&frame) {
            return frame;
        }
    }
}

fn framed(stream: &mut UnixStream, frame: &[u8]) {
    stream.write_all(&(frame.len() as u32).to_be_bytes()).unwrap();
    stream.write_all(frame).unwrap();
}

/// A guest's end of `stream`.
fn guest(lab: &Lab, options: &str) -> (Running, UnixStream) {
    let path = lab.path("guest");
    let listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::chown(&path, Some(lab.user.uid), None).unwrap();
    let peer = format!("stream={}", path.display());
    let running = backend(lab, &[&format!("af-xdp,ifname=eth1{options}")], &peer);
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    (running, stream)
}

#[test]
fn a_stream_carries_frames_of_9000_bytes_both_ways() {
    let lab = lab!();
    if !xsk_socket::has_several_buffers() {
        skip!("frames of several buffers need Linux 6.6");
    }
    let veth = cable(&lab, 1, 9000);
    let (running, mut stream) = guest(&lab, "");
    let mut tap = lab.peer_tap(&veth);
    for length in [60, 4097, 9014] {
        tap.send(&long(length));
        assert!(unframed(&mut stream) == long(length), "{length} bytes to the guest");
        framed(&mut stream, &long(length));
        assert!(
            tap.receive(SOON, is_ours).unwrap() == long(length),
            "{length} bytes from the guest"
        );
    }
    end(running);
    lab.nothing_left("eth1", &[]);
}

#[test]
fn a_guests_frame_that_is_longer_than_the_interface_takes_is_counted_and_said() {
    let lab = lab!();
    let veth = cable(&lab, 1, 1500);
    let (running, mut stream) = guest(&lab, "");
    let mut tap = lab.peer_tap(&veth);
    framed(&mut stream, &long(1519));
    framed(&mut stream, &long(1518));
    assert_eq!(tap.receive(SOON, is_ours).unwrap().len(), 1518);
    let said = "eth1 queue 0: 1 frames were longer than the 1518 bytes that eth1 takes";
    wait_until(SOON, "the backend to say it", || running.stderr().contains(said));
    assert_eq!(end(running)[0]["tx_too_long"], 1);
}

#[test]
fn forward_between_unequal_mtus_warns_and_counts_what_it_drops() {
    let lab = lab!();
    let (left, right) = (cable(&lab, 1, 3000), cable(&lab, 2, 1500));
    let running = backend(&lab, &["af-xdp,ifname=eth1", "af-xdp,ifname=eth2"], "forward");
    let text = running.stderr();
    assert!(text.contains("warning: eth1 has an MTU of 3000 and eth2 of 1500"), "{text}");
    assert!(text.contains("ip link set dev eth1 mtu 1500"), "{text}");
    let (mut near, mut far) = (lab.peer_tap(&left), lab.peer_tap(&right));
    near.send(&long(3014));
    near.send(&long(1000));
    assert_eq!(far.receive(SOON, is_ours).unwrap().len(), 1000);
    let queues = end(running);
    assert_eq!((&queues[0]["tx_too_long"], &queues[1]["tx_too_long"]), (&0.into(), &1.into()));
}
