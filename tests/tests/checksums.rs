// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cables in their default state, whose ends leave checksums to a card that does not exist: TCP and
//! UDP through `forward` between two unsuspecting hosts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};

use nix::sys::signal::Signal;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGsoSegment;
use serde_json::Value;
use xsk_tests::lab;
use xsk_tests::lab::{Far, Lab, Running, SOON, Veth, wait_until};

const BYTES: usize = 1 << 20;

/// Two cables with `forward` between them, and a host at each end.
struct Between {
    lab: Lab,
    left: Veth,
    right: Veth,
    far: Far,
    running: Running,
}

impl Between {
    fn new(lab: Lab, options: &str) -> Self {
        let (left, right) = (lab.veth_named("eth1", 1, 1), lab.veth_named("eth2", 2, 1));
        lab.allow("eth*");
        lab.give_peer(&left, &["10.78.0.1/24", "fd78::1/64"]);
        let far = lab.far(&right, &["10.78.0.2/24", "fd78::2/64"]);
        let netdev = |id, ifname| format!("af-xdp,id={id},ifname={ifname}{options}");
        let mut running = lab
            .client("run")
            .arg("--")
            .arg(lab.bin("xsk-backend"))
            .args(["--json", "--netdev", &netdev("n0", "eth1"), "--netdev", &netdev("n1", "eth2")])
            .args(["--peer", "forward"])
            .start();
        running.says("\"ready\"", SOON);
        Self { lab, left, right, far, running }
    }

    /// The counters of both queues at the end.
    fn end(self) -> [Value; 2] {
        self.running.signal(Signal::SIGTERM);
        let done = self.running.finish(SOON).ok();
        let end: Value = serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap();
        self.lab.nothing_left("eth1", &[]);
        self.lab.nothing_left("eth2", &[]);
        [end["queues"][0].clone(), end["queues"][1].clone()]
    }
}

fn content(seed: u8) -> Vec<u8> {
    (0..BYTES).map(|n| (n as u8).wrapping_mul(31) ^ (n >> 8) as u8 ^ seed).collect()
}

/// Takes a connection, reads all of it, and answers with as much.
fn serve(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == content(1), "{} bytes of {BYTES} are right", got.len());
    stream.write_all(&content(2)).unwrap();
}

fn ask(to: SocketAddr) {
    let mut stream = TcpStream::connect_timeout(&to, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&content(1)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == content(2), "{} bytes of {BYTES} are right", got.len());
}

#[test]
fn tcp_passes_both_ways_with_each_sender_leaving_its_checksums_unfinished() {
    let between = Between::new(lab!(), "");
    for address in ["10.78.0.1:7000", "[fd78::1]:7000"] {
        let address: SocketAddr = address.parse().unwrap();
        let listener = between.lab.in_peer(|| TcpListener::bind(address).unwrap());
        let server = std::thread::spawn(move || serve(&listener));
        between.far.within(|| ask(address));
        server.join().unwrap();
    }
    for queue in between.end() {
        let (frames, completed) =
            (&queue["rx_frames"], queue["checksums_completed"].as_u64().unwrap());
        // Twice as many bytes as one direction has, in segments of 1448 bytes.
        assert!(completed > 2 * BYTES as u64 / 1448, "{completed} of {frames}");
    }
}

#[test]
fn udp_passes_both_ways() {
    let between = Between::new(lab!(), "");
    for (near, far) in [("10.78.0.1:7001", "10.78.0.2:7001"), ("[fd78::1]:7001", "[fd78::2]:7001")]
    {
        let near_socket = between.lab.in_peer(|| UdpSocket::bind(near).unwrap());
        let far_socket = between.far.within(|| UdpSocket::bind(far).unwrap());
        for (from, to, name) in
            [(&near_socket, &far_socket, far), (&far_socket, &near_socket, near)]
        {
            to.set_read_timeout(Some(SOON)).unwrap();
            for len in [0, 1, 2, 999, 1400] {
                from.send_to(&vec![7; len], name).unwrap();
                let mut got = [0; 2000];
                assert_eq!(to.recv(&mut got).unwrap(), len, "to {name}");
            }
        }
    }
    let completed = between.end().map(|queue| queue["checksums_completed"].as_u64().unwrap());
    assert!(completed.iter().all(|count| *count >= 10), "{completed:?}");
}

/// The sum of words of 16 bits in one's complement.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[test]
fn a_udp_checksum_that_comes_out_as_zero_is_sent_as_all_ones() {
    let between = Between::new(lab!(), "");
    let mut tap = between.far.tap(&between.right.peer);
    let socket = between.lab.in_peer(|| UdpSocket::bind("10.78.0.1:7002").unwrap());
    // Addresses, protocol and length; ports and length again.
    let ports = [0x1b, 0x5a, 0x1b, 0x5a, 0, 10];
    let known = [&[10, 78, 0, 1, 10, 78, 0, 2, 0, 17, 0, 10][..], &ports].concat();
    socket.send_to(&(!sum(&known)).to_be_bytes(), "10.78.0.2:7002").unwrap();
    let frame = tap
        .receive(SOON, |frame| frame.get(34..40) == Some(&ports[..]))
        .expect("it did not arrive");
    assert_eq!(frame[40..42], [0xff, 0xff], "{frame:02x?}");
    assert_eq!(between.end()[0]["checksums_completed"], 1);
}

/// A datagram, with `checksum` in its field.
fn datagram(checksum: u16) -> Vec<u8> {
    let mut frame =
        [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 17]].concat();
    frame.extend([0, 0, 10, 78, 0, 1, 10, 78, 0, 2, 0x1b, 0x5a, 0x1b, 0x5b, 0, 20]);
    frame.extend(checksum.to_be_bytes());
    frame.extend(b"twelve bytes and padding");
    frame
}

#[test]
fn what_is_not_unfinished_passes_byte_for_byte() {
    let between = Between::new(lab!(), "");
    let mut tap = between.far.tap(&between.right.peer);
    let mut sender = between.lab.peer_tap(&between.left);
    let whole = datagram(0);
    let right = !sum(&[&whole[26..34], &[0, 17, 0, 20], &whole[34..54]].concat());
    let pseudo = sum(&[&whole[26..34], &[0, 17, 0, 20]].concat());
    for checksum in [0, right, 1, pseudo.wrapping_add(1)] {
        let sent = datagram(checksum);
        sender.send(&sent);
        let got = tap
            .receive(SOON, |frame| frame.get(36..38) == Some(&[0x1b, 0x5b]))
            .expect("it arrives");
        assert_eq!(got, sent, "{checksum:04x}");
    }
    sender.send(&datagram(pseudo));
    let got =
        tap.receive(SOON, |frame| frame.get(36..38) == Some(&[0x1b, 0x5b])).expect("it arrives");
    assert_eq!(got, datagram(right));
    assert_eq!(between.end()[0]["checksums_completed"], 1);
}

/// The sender leaves the splitting to its card too. In skb mode the frame comes as it is, and no
/// buffer holds it.
#[test]
fn segments_that_skb_mode_loses_are_counted_and_said() {
    let between = Between::new(lab!(), ",mode=skb");
    let socket = between.far.within(|| UdpSocket::bind("10.78.0.2:7003").unwrap());
    // Ten datagrams to be made of one frame (UDP_SEGMENT of linux/udp.h); TCP does so by itself,
    // when it is fast.
    setsockopt(&socket, UdpGsoSegment, &1400).unwrap();
    socket.send_to(&[7; 14_000], "10.78.0.1:7003").unwrap();
    let said = || between.running.stderr().contains("eth2 queue 0: ");
    wait_until(SOON, "the backend to say what is lost", said);
    let text = between.running.stderr();
    assert!(text.contains("frames were longer than a buffer"), "{text}");
    assert!(text.contains("`xsk-client doctor eth2`"), "{text}");
    let queues = between.end();
    assert_eq!(queues[1]["xdp"]["rx_too_long"], 1);
    assert_eq!(queues[0]["xdp"]["rx_too_long"], 0);
}
