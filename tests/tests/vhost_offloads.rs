// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checksums and segments of `--peer vhost-user`, byte by byte, with a front end that sees its own
//! headers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::frontend::{CHECKSUMS, FEATURES, FrontEnd, SEGMENTS, net_header, request};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, Running, SOON, Veth, wait_until};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Where the transport's header begins, and where the checksum of either is behind that.
const START: usize = 34;
const FIELD: [usize; 2] = [16, 6];

/// The end of a connection's numbers, so that they wrap.
const NUMBER: u32 = u32::MAX - 5000;

/// RFC 1071, word by word.
fn sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u16, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, over) = sum.overflowing_add(word);
        sum + u16::from(over)
    })
}

/// What is summed besides the segment itself.
fn pseudo(frame: &[u8]) -> Vec<u8> {
    let len = (frame.len() - START) as u16;
    [&frame[26..34], &[0, frame[23]], &len.to_be_bytes()].concat()
}

fn is_sound(frame: &[u8]) -> bool {
    sum(&frame[14..START]) == 0xffff
        && sum(&[&pseudo(frame)[..], &frame[START..]].concat()) == 0xffff
}

/// A frame over IPv4 with `payload`, whose checksum is that of the pseudo-header.
fn unfinished(protocol: u8, number: u32, payload: &[u8]) -> Vec<u8> {
    let transport = if protocol == TCP {
        let mut header = [0x12, 0x34, 0x56, 0x78].to_vec();
        header.extend(number.to_be_bytes());
        header.extend([0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        header
    } else {
        [&[0x12, 0x34, 0x56, 0x78][..], &(payload.len() as u16 + 8).to_be_bytes(), &[0, 0]].concat()
    };
    let total = (20 + transport.len() + payload.len()) as u16;
    let mut frame = [0xff; 6].to_vec();
    frame.extend([2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 7, 0x40, 0, 64, protocol, 0, 0, 10, 9, 8, 7, 10, 9, 8, 6]);
    let header = !sum(&frame[14..]);
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    frame.extend(transport);
    frame.extend(payload);
    let (sum, at) = (sum(&pseudo(&frame)), START + FIELD[usize::from(protocol == UDP)]);
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn finished(protocol: u8, number: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = unfinished(protocol, number, payload);
    let (sum, at) = (!sum(&frame[START..]), START + FIELD[usize::from(protocol == UDP)]);
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    assert!(is_sound(&frame));
    frame
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * n / 7) as u8).collect()
}

fn connect(lab: &Lab, options: &str, features: u64) -> (Veth, Running, FrontEnd) {
    let veth = lab.veth(1);
    let (device, path) = lab.vhost(&veth, &format!(",user=0{options}"));
    let mut front = FrontEnd::connect(&path).unwrap();
    front.set_up(FEATURES | features, 1);
    (veth, device, front)
}

fn end(lab: &Lab, veth: &Veth, device: Running) {
    device.signal(Signal::SIGTERM);
    device.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

fn is_ours(frame: &[u8]) -> bool {
    frame.len() > START && frame[6..14] == [2, 0, 0, 0, 0, 9, 8, 0]
}

#[test]
fn a_checksum_that_the_guest_leaves_is_computed() {
    let lab = lab!();
    let (veth, device, mut front) = connect(&lab, "", CHECKSUMS);
    let mut tap = lab.peer_tap(&veth);
    for (protocol, offset) in [(TCP, 16), (UDP, 6)] {
        for len in [1, 2, 100, 1400] {
            let frame = unfinished(protocol, NUMBER, &bytes(len));
            assert!(front.transmit_with(
                1,
                &net_header([1, 0], [0, 0, START as u16, offset]),
                &frame
            ));
            let seen = tap.receive(SOON, is_ours).unwrap();
            assert_eq!(seen, finished(protocol, NUMBER, &bytes(len)), "{protocol} {len}");
        }
    }
    end(&lab, &veth, device);
}

#[test]
fn a_long_frame_is_cut_into_segments() {
    let lab = lab!();
    let (veth, device, mut front) = connect(&lab, "", CHECKSUMS | SEGMENTS);
    let mut tap = lab.peer_tap(&veth);
    let payload = bytes(20_000);
    let mut frame = unfinished(TCP, NUMBER, &payload);
    // CWR, PSH and FIN, of which one is the first segment's and two the last one's.
    frame[START + 13] |= 0x89;
    assert!(front.transmit_with(1, &net_header([1, 0x81], [54, 1448, START as u16, 16]), &frame));
    let segments: Vec<_> = (0..14).map(|_| tap.receive(SOON, is_ours).unwrap()).collect();
    assert!(tap.receive(Duration::from_millis(50), is_ours).is_none());
    assert!(segments.iter().all(|segment| is_sound(segment)));
    let flags: Vec<_> = segments.iter().map(|segment| segment[START + 13]).collect();
    assert_eq!((flags[0], flags[13]), (0x90, 0x19));
    assert!(flags[1..13].iter().all(|flags| *flags == 0x10));
    assert_eq!(
        segments.iter().flat_map(|segment| &segment[54..]).copied().collect::<Vec<_>>(),
        payload
    );
    end(&lab, &veth, device);
}

/// More segments than the device has frames: it goes on when there is room again.
#[test]
fn a_frame_of_thousands_of_segments_leaves_bit_by_bit() {
    let lab = lab!();
    let (veth, device, mut front) = connect(&lab, "", CHECKSUMS | SEGMENTS);
    let header = net_header([1, 1], [54, 8, START as u16, 16]);
    assert!(front.transmit_with(1, &header, &unfinished(TCP, NUMBER, &bytes(20_000))));
    let mut tap = lab.peer_tap(&veth);
    assert!(front.transmit(1, &finished(UDP, 0, b"after it")));
    let last = tap.receive(SOON, |frame| is_ours(frame) && frame[23] == UDP).unwrap();
    assert_eq!(last[42..50], *b"after it");
    device.signal(Signal::SIGUSR1);
    wait_until(SOON, "the count", || device.stdout().contains("tx 2501 frames"));
    end(&lab, &veth, device);
}

#[test]
fn a_checksum_that_was_left_to_a_card_is_left_to_the_guest() {
    let lab = lab!();
    for (features, flags) in [(0, 0), (CHECKSUMS, 1)] {
        let (veth, device, mut front) = connect(&lab, "", features);
        front.post(0, 0, 8);
        let mut tap = lab.peer_tap(&veth);
        let sent = [unfinished(UDP, 0, &bytes(100)), finished(UDP, 0, &bytes(100))];
        for (number, frame) in (0..).zip(&sent) {
            tap.send(frame);
            wait_until(SOON, "a frame", || front.used(0) > number);
        }
        let mut first =
            net_header([flags, 0], [0, 0, 34 * u16::from(flags), 6 * u16::from(flags)]).to_vec();
        first[10] = 1;
        let second = net_header([0, 0], [0; 4]);
        let bodies = if flags == 0 { [&sent[1], &sent[1]] } else { [&sent[0], &sent[1]] };
        assert_eq!(front.received(0, 0), [&first[..], bodies[0]].concat());
        assert_eq!(front.received(0, 1)[..10], second[..10]);
        assert_eq!(front.received(0, 1)[12..], bodies[1][..]);
        end(&lab, &veth, device);
    }
}

/// What came while the device stood still is one batch.
#[test]
fn segments_of_a_batch_are_merged_and_a_damaged_one_stays_alone() {
    let lab = lab!();
    let (veth, device, mut front) = connect(&lab, "", CHECKSUMS | SEGMENTS);
    front.post(0, 0, 32);
    let mut tap = lab.peer_tap(&veth);
    let payload = bytes(3000);
    let segment =
        |at: usize| finished(TCP, NUMBER + 1000 * at as u32, &payload[1000 * at..][..1000]);
    let mut damaged = segment(2);
    damaged[700] ^= 4;
    Process::new(device.pid()).freeze();
    [&segment(0), &segment(1), &damaged].into_iter().for_each(|frame| tap.send(frame));
    device.signal(Signal::SIGCONT);
    wait_until(SOON, "both frames", || front.used(0) == 3);
    // The first one fills a buffer of 2048 bytes and goes on in the next.
    let merged = [front.received(0, 0), front.received(0, 1)].concat();
    let mut header = net_header([1, 1], [54, 1000, 34, 16]);
    header[10] = 2;
    assert_eq!(merged[..12], header);
    assert_eq!(merged[12..], unfinished(TCP, NUMBER, &payload[..2000]));
    let alone = front.received(0, 2);
    assert_eq!((alone[0], &alone[12..]), (0, &damaged[..]));
    end(&lab, &veth, device);
}

/// What a guest has acknowledged to another device.
#[test]
fn a_device_that_lacks_a_feature_refuses_by_its_name() {
    let lab = lab!();
    let veth = lab.veth(1);
    let cases = [
        (",csum=off", CHECKSUMS, "the feature CSUM was not offered"),
        (",tso=off", CHECKSUMS | SEGMENTS, "the feature HOST_TSO4 was not offered"),
        (",gro=off", CHECKSUMS | SEGMENTS, "the feature GUEST_TSO4 was not offered"),
        (",mq=off", 1 << 22, "the feature MQ was not offered"),
    ];
    for (options, features, said) in cases {
        let (mut device, path) = lab.vhost(&veth, &format!(",user=0{options}"));
        let mut front = FrontEnd::connect(&path).unwrap();
        let features = FEATURES | features;
        assert_eq!(
            front.try_to(request::SET_FEATURES, &features.to_ne_bytes(), &[]),
            Some(1),
            "{options}"
        );
        device.says(said, SOON);
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}
