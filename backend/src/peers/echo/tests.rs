// SPDX-License-Identifier: MIT OR Apache-2.0
//! The answers, byte by byte, and the questions that get none.

use std::net::IpAddr;

use super::*;
use crate::checksum::sum;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ASKER: [u8; 6] = [2, 0, 0, 0, 0, 9];
const ALL: [u8; 6] = [0xff; 6];

fn host() -> Echo {
    let addresses = ["10.0.0.2", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap()).to_vec();
    Echo::new(&EchoSpec { addresses, mac: None }, Station { mac: MAC, ifindex: 1 })
}

fn frame(to: [u8; 6], kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&to[..], &ASKER, &kind, payload].concat()
}

fn ask(question: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = question.to_vec();
    buffer.resize(question.len().max(LONGEST_FIXED), 0xee);
    let len = host().answer(&mut buffer, question.len())?;
    buffer.truncate(len);
    Some(buffer)
}

fn arp(target: [u8; 4]) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &ASKER, &[10, 0, 0, 9], &[0; 6], &target].concat();
    frame(ALL, ETHERTYPE_ARP, &body)
}

fn ip4(protocol: u8, from: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let head = [0x45, 0, total[0], total[1], 0, 7, 0x40, 0, 3, protocol, 0, 0];
    frame(MAC, ETHERTYPE_IP4, &[&head[..], &from, &[10, 0, 0, 2], payload].concat())
}

fn ip6(next: u8, from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let octets = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    let len = (payload.len() as u16).to_be_bytes();
    let head = [0x60, 0, 0, 0, len[0], len[1], next, 255];
    frame(MAC, ETHERTYPE_IP6, &[&head[..], &octets(from), &octets(to), payload].concat())
}

/// Zero: the checksum in it is right.
fn verify(addresses: &[u8], protocol: u8, payload: &[u8]) -> u16 {
    sum::with_pseudo_header(addresses, protocol, payload)
}

#[test]
fn arp_is_answered_for_our_address_only() {
    let answer = ask(&arp([10, 0, 0, 2])).unwrap();
    let expected = [
        &ASKER[..],
        &MAC,
        &ETHERTYPE_ARP,
        &[0, 1, 8, 0, 6, 4, 0, 2],
        &MAC,
        &[10, 0, 0, 2],
        &ASKER,
        &[10, 0, 0, 9],
    ];
    assert_eq!(answer, expected.concat());
    assert_eq!(ask(&arp([10, 0, 0, 3])), None);
}

#[test]
fn ping_comes_back_with_a_right_checksum() {
    let answer = ask(&ip4(1, [10, 0, 0, 9], &[8, 0, 0xde, 0xad, 1, 2, 3, 4, 5, 6, 7])).unwrap();
    assert_eq!(answer[..12], [&ASKER[..], &MAC].concat());
    assert_eq!(answer[26..34], [10, 0, 0, 2, 10, 0, 0, 9]);
    assert_eq!((answer[22], sum::of(&answer[14..34])), (64, 0));
    assert_eq!((answer[34], sum::of(&answer[34..])), (0, 0));
    assert_eq!(answer[38..], [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn padding_is_kept_and_not_summed() {
    let mut question = ip4(1, [10, 0, 0, 9], &[8, 0, 0, 0, 1, 2, 3, 4]);
    question.resize(60, 0x77);
    let answer = ask(&question).unwrap();
    assert_eq!(answer.len(), 60);
    assert_eq!(sum::of(&answer[34..42]), 0);
    assert_eq!(answer[42..], [0x77; 18]);
}

#[test]
fn udp_comes_back_with_its_ports_exchanged() {
    let answer =
        ask(&ip4(17, [10, 0, 0, 9], &[1, 2, 3, 4, 0, 11, 9, 9, b'a', b'b', b'c'])).unwrap();
    assert_eq!(answer[34..40], [3, 4, 1, 2, 0, 11]);
    assert_eq!(verify(&answer[26..34], 17, &answer[34..]), 0);
    assert_eq!(&answer[42..], b"abc");
}

#[test]
fn what_must_not_be_answered() {
    let ping = [8, 0, 0, 0, 1, 2, 3, 4];
    let mut fragment = ip4(1, [10, 0, 0, 9], &ping);
    fragment[20] = 0x20;
    let mut broadcast = ip4(1, [10, 0, 0, 9], &ping);
    broadcast[..6].fill(0xff);
    let mut truncated = ip4(1, [10, 0, 0, 9], &ping);
    truncated.truncate(40);
    let mut from_us = ip4(1, [10, 0, 0, 9], &ping);
    from_us[6..12].copy_from_slice(&MAC);
    let questions = [
        ("a fragment", fragment),
        ("to the broadcast address", broadcast),
        ("cut short", truncated),
        ("from our MAC address", from_us),
        ("from our address", ip4(1, [10, 0, 0, 2], &ping)),
        ("from a group", ip4(1, [224, 0, 0, 1], &ping)),
        ("an echo reply", ip4(1, [10, 0, 0, 9], &[0, 0, 0, 0, 1, 2, 3, 4])),
        ("TCP", ip4(6, [10, 0, 0, 9], &[0; 20])),
        ("UDP with a wrong length", ip4(17, [10, 0, 0, 9], &[1, 2, 3, 4, 0, 99, 0, 0])),
    ];
    for (what, question) in questions {
        assert_eq!(ask(&question), None, "{what}");
    }
}

#[test]
fn ping6_and_udp6_come_back() {
    let answer = ask(&ip6(58, "fd00::9", "fd00::2", &[128, 0, 1, 1, 0, 1, 0, 2, 5])).unwrap();
    assert_eq!(answer[54], 129);
    assert_eq!(verify(&answer[22..54], 58, &answer[54..]), 0);
    assert_eq!(answer[22..38], "fd00::2".parse::<Ipv6Addr>().unwrap().octets());
    let answer = ask(&ip6(17, "fd00::9", "fd00::2", &[1, 2, 3, 4, 0, 9, 0, 0, 5])).unwrap();
    assert_eq!(answer[54..58], [3, 4, 1, 2]);
    assert_eq!(verify(&answer[22..54], 17, &answer[54..]), 0);
    assert_eq!(ask(&ip6(58, "fd00::9", "fd00::3", &[128, 0, 1, 1, 0, 1, 0, 2])), None);
}

fn solicitation(from: &str, target: &str, option: &[u8]) -> Vec<u8> {
    let target = target.parse::<Ipv6Addr>().unwrap().octets();
    let message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, option].concat();
    let mut frame = ip6(58, from, "ff02::1:ff00:2", &message);
    frame[..6].copy_from_slice(&[0x33, 0x33, 0xff, 0, 0, 2]);
    frame
}

#[test]
fn a_neighbour_is_told_our_address() {
    let question = solicitation("fd00::9", "fd00::2", &[&[1, 1][..], &ASKER].concat());
    let answer = ask(&question).unwrap();
    assert_eq!(answer.len(), 86);
    assert_eq!(answer[..12], [&ASKER[..], &MAC].concat());
    assert_eq!((answer[54], answer[58]), (136, 0x60));
    assert_eq!(answer[78..], [&[2, 1][..], &MAC].concat());
    assert_eq!(verify(&answer[22..54], 58, &answer[54..]), 0);
    assert_eq!(ask(&solicitation("fd00::9", "fd00::3", &[])), None);
}

#[test]
fn duplicate_address_detection_is_answered_to_all_nodes() {
    let answer = ask(&solicitation("::", "fd00::2", &[])).unwrap();
    assert_eq!(answer.len(), 86, "eight bytes longer than the question");
    assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(answer[38..54], "ff02::1".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(answer[58], 0x20, "not solicited");
    assert_eq!(verify(&answer[22..54], 58, &answer[54..]), 0);
}

/// Mutations of good questions, and each of their prefixes: no panic, and no answer longer than
/// there is room for.
#[test]
fn nothing_that_arrives_panics() {
    let questions = [
        arp([10, 0, 0, 2]),
        ip4(1, [10, 0, 0, 9], &[8, 0, 0, 0, 1, 2, 3, 4]),
        ip4(17, [10, 0, 0, 9], &[1, 2, 3, 4, 0, 9, 0, 0, 5]),
        ip6(58, "fd00::9", "fd00::2", &[128, 0, 1, 1, 0, 1, 0, 2]),
        solicitation("fd00::9", "fd00::2", &[&[1, 1][..], &ASKER].concat()),
    ];
    for question in &questions {
        for len in 0..=question.len() {
            ask(&question[..len]);
        }
        for at in 12..question.len() {
            for value in 0..=255 {
                let mut mutant = question.clone();
                mutant[at] = value;
                let answer = ask(&mutant);
                assert!(
                    answer.is_none_or(|answer| answer.len() <= LONGEST_FIXED.max(question.len()))
                );
            }
        }
    }
}
