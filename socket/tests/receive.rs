// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving and sending back, with the XSK program and a socket on each end of a veth pair. Needs
//! root; says so loudly and passes where it cannot run.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use xsk_bpf::{AttachMode, Redirect};
use xsk_socket::{BindOptions, Bound, Config, Unbound};

const FRAMES: u32 = 64;

/// What the fill ring gets of them.
const FILLED: usize = 48;

/// A socket on an interface, and the program that leads to it.
struct Port {
    socket: Bound,
    _program: Redirect,
}

impl Port {
    fn new(ifname: &str, mode: AttachMode) -> Self {
        Self::of(ifname, mode, false, &BindOptions::default())
    }

    fn of(ifname: &str, mode: AttachMode, frags: bool, options: &BindOptions) -> Self {
        let ifindex = nix::net::if_::if_nametoindex(ifname).unwrap();
        let loaded = Redirect::load(1, frags).unwrap();
        let program = loaded.attach(ifindex, mode).map_err(|(_, error)| error).unwrap();
        let fresh = Unbound::create().unwrap();
        program.map.insert(0, fresh.as_fd()).unwrap();
        let ready = fresh.prepare(&Config::default().frames(FRAMES)).unwrap();
        Self { socket: ready.bind(ifindex, 0, options).unwrap(), _program: program }
    }

    fn send(&mut self, number: u32, len: usize) {
        let write = |frame: &mut [u8]| {
            frame.fill(0);
            frame[..18].copy_from_slice(&header(number));
        };
        self.socket.send_with(len, write).unwrap();
        self.socket.flush().unwrap();
    }

    /// Waits for our frames, passes over the host's own, and hands each to `each`.
    fn receive(&mut self, mut wanted: usize, mut each: impl FnMut(xsk_socket::Frame<'_>)) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while wanted > 0 {
            assert!(Instant::now() < deadline, "{wanted} frames did not come");
            self.socket.wait(Some(Duration::from_millis(100))).unwrap();
            self.socket.recv(64).for_each(|frame| {
                if frame.get(12..14) == Some(&[0x88, 0xb5]) {
                    wanted = wanted.saturating_sub(1);
                    each(frame);
                }
            });
            self.socket.flush().unwrap();
        }
    }
}

/// The first bytes of our frames.
fn header(number: u32) -> [u8; 18] {
    let mut header = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 0, 0, 0, 0];
    header[14..].copy_from_slice(&number.to_be_bytes());
    header
}

fn lab(mode: AttachMode) -> Option<(Port, Port)> {
    cable("mtu 1500")?;
    Some((Port::new("va", mode), Port::new("vb", mode)))
}

/// A network namespace with a cable in it, whose ends are set so.
fn cable(setting: &str) -> Option<()> {
    if !nix::unistd::geteuid().is_root() || unshare(CloneFlags::CLONE_NEWNET).is_err() {
        common::skipped("needs root with CAP_SYS_ADMIN for a network namespace");
        return None;
    }
    let [va, vb] = ["va", "vb"].map(|name| format!("link set {name} {setting} up"));
    for line in ["link add name va type veth peer name vb", &va, &vb] {
        let status = Command::new("ip")
            .args(line.split(' '))
            .status()
            .expect("ip (iproute2) must be installed");
        assert!(status.success(), "ip {line}");
    }
    Some(())
}

/// Each frame goes there, is changed in its place, and comes back; no frame of memory is lost on
/// the way.
fn there_and_back(mode: AttachMode) {
    let Some((mut near, mut far)) = lab(mode) else { return };
    for number in 0..1000 {
        near.send(number, 60);
        far.receive(1, |mut frame| {
            assert_eq!(frame.len(), 60);
            assert!(frame.set_len(100) && !frame.set_len(frame.capacity() + 1));
            frame[99] = 7;
            frame.send_back();
        });
        near.receive(1, |frame| {
            assert_eq!((frame.len(), frame[99]), (100, 7));
            assert_eq!(frame[14..18], number.to_be_bytes());
        });
    }
    for port in [&mut near, &mut far] {
        assert_eq!(port.socket.room(), FRAMES as usize - FILLED);
        assert_eq!(port.socket.foreign_addresses(), 0);
    }
}

#[test]
fn there_and_back_in_native_mode() {
    there_and_back(AttachMode::Native);
}

#[test]
fn there_and_back_in_skb_mode() {
    there_and_back(AttachMode::Skb);
}

#[test]
fn what_finds_no_buffer_is_counted_and_the_rest_arrives_in_order() {
    let Some((mut near, mut far)) = lab(AttachMode::Native) else { return };
    far.socket.recv(64);
    for number in 0..100 {
        near.send(number, 1500);
    }
    let mut numbers = vec![];
    far.receive(1, |frame| numbers.push(u32::from_be_bytes(frame[14..18].try_into().unwrap())));
    assert!(numbers.len() <= FILLED && numbers.is_sorted(), "{numbers:?}");
    let statistics = far.socket.statistics().unwrap();
    assert!(statistics.drops() >= 100 - FILLED as u64, "{statistics:?}");
    assert_eq!(statistics.rx_ring_full, 0);
    near.send(1000, 60);
    far.receive(1, |frame| assert_eq!(frame.len(), 60));
}

/// A cable whose ends carry frames of 9000 bytes, with a program that takes several buffers.
fn jumbo(mode: AttachMode) -> Option<(Port, Port)> {
    if !xsk_socket::has_several_buffers() {
        eprintln!("SKIPPED: needs Linux 6.6 for frames of several buffers");
        return None;
    }
    cable("mtu 9000")?;
    let port = |ifname| Port::of(ifname, mode, true, &BindOptions::default().longest(9018));
    Some((port("va"), port("vb")))
}

/// Each length goes there, is changed at its first and its last byte, is sent back from where it
/// is, and arrives.
fn long_frames_there_and_back(mode: AttachMode) {
    let Some((mut near, mut far)) = jumbo(mode) else { return };
    assert!(near.socket.several_buffers());
    for (number, len) in
        (0..).zip((3830..=9014).step_by(97).chain([60, 3840, 3841, 4096, 4097, 7680, 7681]))
    {
        let sent: Vec<u8> = header(number).into_iter().chain((18..len).map(|n| n as u8)).collect();
        near.socket.send(&sent).unwrap();
        near.socket.flush().unwrap();
        far.receive(1, |mut frame| {
            assert!(frame[..] == sent[..], "{len} bytes in {mode:?}");
            frame[0] = 4;
            frame[len - 1] ^= 0xff;
            frame.send_back();
        });
        near.receive(1, |frame| {
            assert_eq!((frame.len(), frame[0], frame[len - 1]), (len, 4, sent[len - 1] ^ 0xff));
            assert!(frame[1..len - 1] == sent[1..len - 1]);
        });
    }
    for port in [&mut near, &mut far] {
        assert_eq!(port.socket.frames() - FILLED, port.socket.room() * 3 + 1, "memory is lost");
        assert_eq!(
            (port.socket.foreign_addresses(), port.socket.statistics().unwrap().rx_too_long),
            (0, 0)
        );
        assert_eq!(port.socket.statistics().unwrap().tx_invalid_descs, 0);
        assert_eq!(port.socket.send(&[0; 9019]), Err(xsk_socket::Refused::BadLength));
    }
}

#[test]
fn long_frames_there_and_back_in_native_mode() {
    long_frames_there_and_back(AttachMode::Native);
}

#[test]
fn long_frames_there_and_back_in_skb_mode() {
    long_frames_there_and_back(AttachMode::Skb);
}

#[test]
fn a_long_frame_made_short_gives_its_other_buffers_back() {
    let Some((mut near, mut far)) = jumbo(AttachMode::Native) else { return };
    for number in 0..100 {
        let sent: Vec<u8> = header(number).into_iter().chain([7; 8982]).collect();
        near.socket.send(&sent).unwrap();
        near.socket.flush().unwrap();
        far.receive(1, |mut frame| {
            assert!(!frame.set_len(9001) && frame.set_len(100));
            frame.send_back();
        });
        near.receive(1, |frame| assert_eq!((frame.len(), frame[99]), (100, 7)));
    }
    assert_eq!(far.socket.room(), (FRAMES as usize - FILLED) / 3);
}
