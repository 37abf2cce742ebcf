// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a hostile client says on the wire, lines 1 to 9 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{Shutdown, shutdown};
use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::acquire;
use xsk_tests::lab::{Lab, SOCKET, SOON, Stopper, User, Veth, Wire, wait_until};
use xsk_tests::proto::{Acquire, Code, Hello, MAGIC, Refused, Reply, Request, codec};

/// A cable that the lab's user may have, and a helper that listens.
fn listening(lab: &Lab) -> (Veth, lab::Running) {
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    (veth, lab.listen())
}

/// Sends a packet after the greeting; the answer has to be a refusal and the end of the connection.
fn refuses(lab: &Lab, packet: &[u8]) -> Refused {
    let wire = lab.wire();
    wire.greet();
    wire.send(packet).unwrap();
    let refused = wire.refusal();
    assert!(wire.ends(SOON), "the connection goes on after {refused:?}");
    refused
}

fn code(lab: &Lab, packet: &[u8]) -> Code {
    refuses(lab, packet).code
}

fn encoded(request: &Request) -> Vec<u8> {
    codec::encode_request(request).unwrap()
}

fn hello() -> Vec<u8> {
    encoded(&Request::Hello(Hello::default()))
}

#[test]
fn h01_connect_and_close_an_empty_packet_a_half_closed_socket() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    drop(lab.wire());
    let empty = lab.wire();
    empty.send(b"").unwrap();
    assert!(empty.ends(SOON));
    let half = lab.wire();
    shutdown(half.fd().as_raw_fd(), Shutdown::Write).unwrap();
    assert!(half.ends(SOON));
    let deaf = lab.wire();
    shutdown(deaf.fd().as_raw_fd(), Shutdown::Read).unwrap();
    let _ = deaf.send(&hello());
    drop(deaf);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    let (wire, helper) = lab.exec(&lab.user);
    drop(wire);
    helper.finish(SOON);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h02_a_packet_over_the_limit_and_a_length_of_four_gibibytes() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    for length in [4097, 65536, 200_000] {
        let wire = lab.wire();
        match wire.send(&vec![0; length]) {
            Ok(()) => {
                assert_eq!(wire.refusal().code, Code::TooLarge, "{length}");
                assert!(wire.ends(SOON));
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(90), "EMSGSIZE, the kernel's own limit")
            }
        }
    }
    assert_eq!(code(&lab, &vec![0xff; 4097]), Code::TooLarge);
    let mut packet = 1u32.to_le_bytes().to_vec();
    packet.extend((4u64 << 30).to_le_bytes());
    assert_eq!(code(&lab, &packet), Code::Malformed);
    packet.truncate(4);
    packet.extend(u64::MAX.to_le_bytes());
    assert_eq!(code(&lab, &packet), Code::Malformed);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h03_one_byte_more_an_unknown_version_an_unknown_variant() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let whole = encoded(&Request::Acquire(acquire(&veth.ifname, 0, 1)));
    assert_eq!(code(&lab, &[&whole[..], &[0]].concat()), Code::Malformed);
    for cut in 1..whole.len() {
        assert_eq!(code(&lab, &whole[..cut]), Code::Malformed, "cut to {cut}");
    }
    assert_eq!(code(&lab, &99u32.to_le_bytes()), Code::Unsupported);
    assert_eq!(code(&lab, &u32::MAX.to_le_bytes()), Code::Unsupported);
    for greeting in [
        Hello { magic: MAGIC, min: 2, max: 9 },
        Hello { magic: MAGIC, min: 0, max: 0 },
        Hello { magic: 7, min: 1, max: 1 },
    ] {
        let wire = lab.wire();
        wire.say(&Request::Hello(greeting));
        let refused = wire.refusal();
        assert_eq!(refused.code, Code::Unsupported);
        assert!(refused.message.contains('1'), "what is supported is not said: {refused:?}");
        assert!(wire.ends(SOON));
    }
    let wire = lab.wire();
    wire.say(&Request::Hello(Hello { magic: MAGIC, min: 0, max: u16::MAX }));
    assert!(
        matches!(wire.reply().0, Reply::Welcome { version: 1, .. }),
        "a wider range holds version 1"
    );
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h04_requests_out_of_order() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let wire = lab.wire();
    wire.say(&Request::Acquire(acquire(&veth.ifname, 0, 1)));
    assert_eq!(wire.refusal().code, Code::BadState);
    assert!(wire.ends(SOON));
    assert_eq!(code(&lab, &hello()), Code::BadState);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    // After the grant nothing is answered, and more than a few messages end the lease.
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let again = encoded(&Request::Acquire(acquire(&veth.ifname, 1, 1)));
    for _ in 0..1000 {
        if wire.send(&again).is_err() {
            break;
        }
    }
    assert!(wire.ends(SOON), "a thousand messages do not end the lease");
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h04_endless_questions_end() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let wire = lab.wire();
    wire.greet();
    let question = encoded(&Request::Status);
    let mut answers = 0;
    while wire.send(&question).is_ok() && answers < 100_000 {
        match wire.receive() {
            Ok(packet) if !packet.bytes.is_empty() => answers += 1,
            _ => break,
        }
    }
    assert!(answers < 100_000, "a client may ask for ever");
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h05_names_that_are_no_primary_names() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    lab.policy(&format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid));
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "eth1\0",
        "eth 1",
        "eth%d",
        "eth1:0",
        "étè",
        "1234567890123456",
        "eth1\n",
    ] {
        let refused = lab.wire().is_refused(name, 0, 1, Code::BadName);
        assert!(!refused.message.contains(|c: char| c.is_control()), "{refused:?}");
    }
    let long = "e".repeat(3000);
    lab.wire().is_refused(&long, 0, 1, Code::BadName);
    // Not UTF-8: the string itself is malformed.
    let mut packet = encoded(&Request::Acquire(acquire("eth1", 0, 1)));
    packet[12] = 0xff;
    assert_eq!(code(&lab, &packet), Code::Malformed);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h05_an_altname_is_refused() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    lab.policy(&format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", lab.user.uid));
    lab::link::ip(&["link", "property", "add", "dev", &veth.ifname, "altname", "other"]);
    lab.wire().is_refused("other", 0, 1, Code::BadName);
    // An altname does not carry its interface past a rule that denies it, nor into one that allows
    // it.
    lab.policy(&format!(
        "[[allow]]\nusers = [{0}]\ninterfaces = [\"other\"]\n[[deny]]\nusers = [{0}]\ninterfaces = [\"{1}\"]\n",
        lab.user.uid, veth.ifname
    ));
    lab.wire().is_refused("other", 0, 1, Code::BadName);
    lab.wire().is_refused(&veth.ifname, 0, 1, Code::NotAllowed);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h05_a_name_is_never_cut_to_a_match() {
    let lab = lab!();
    let (_, listener) = listening(&lab);
    let veth = lab.veth_named("abcdefghijklmno", 9, 1);
    lab.allow(&veth.ifname);
    lab.wire().is_refused("abcdefghijklmnop", 0, 1, Code::BadName);
    lab.wire().is_refused("abcdefghijklmn", 0, 1, Code::NotAllowed);
    let wire = lab.wire();
    drop(wire.get(&veth.ifname, 0, 1).unwrap());
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h06_queues_that_do_not_exist() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let impossible = [
        (0, 0),
        (u32::MAX, 1),
        (u32::MAX, 2),
        (1, u32::MAX),
        (0, 3),
        (2, 1),
        (1, 2),
        (0, 65),
        (0, 254),
        (0, 1 << 31),
    ];
    for (first, queues) in impossible {
        let refused = lab.wire().is_refused(&veth.ifname, first, queues, Code::QueueRange);
        assert!(
            refused.object.contains(&veth.ifname) || refused.message.contains(&veth.ifname),
            "{refused:?}"
        );
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h07_descriptors_on_requests_stay_nowhere() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let process = Process::new(listener.pid());
    let before = process.at_rest();
    let wire = lab.wire();
    let own = wire.fd().as_raw_fd();
    let many: Vec<RawFd> = vec![own; 253];
    wire.send_with(&hello(), &many).unwrap();
    assert!(matches!(wire.reply().0, Reply::Welcome { .. }));
    let helper = *lab.helpers().iter().find(|p| p.pid != listener.pid()).expect("no helper serves");
    let open = helper.fds().len();
    let check = encoded(&Request::Check(acquire(&veth.ifname, 0, 1)));
    wire.send_with(&check, &many).unwrap();
    wire.reply();
    assert_eq!(helper.fds().len(), open, "descriptors of the client stay in the helper");
    drop(wire);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    let after = process.at_rest();
    assert_eq!(after.0, before.0);
    assert!(after.1 <= before.1 + 256, "{} KiB grew to {}", before.1, after.1);
}

#[test]
fn h07_ten_thousand_descriptors() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let process = Process::new(listener.pid());
    let before = process.at_rest();
    for _ in 0..40 {
        let wire = lab.wire();
        wire.greet();
        let many = vec![wire.fd().as_raw_fd(); 253];
        let _ = wire.send_with(&encoded(&Request::Status), &many);
        let _ = wire.send_with(&[1, 2, 3], &many);
        let _ = wire.receive();
    }
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    let after = process.at_rest();
    assert_eq!(after.0, before.0);
    assert!(after.1 <= before.1 + 256, "{} KiB grew to {}", before.1, after.1);
}

#[test]
fn h07_a_client_that_parks_its_own_end_in_the_lease() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    wire.send_with(b"x", &[wire.fd().as_raw_fd(); 10]).unwrap();
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// The longest of so many grants to a user.
fn slowest_grant(user: &User, ifname: &str, count: u32) -> Duration {
    let grant = || {
        let begin = Instant::now();
        let wire = Wire::connect_as(SOCKET, user);
        wire.get(ifname, 0, 1).unwrap();
        begin.elapsed()
    };
    (0..count).map(|_| grant()).max().unwrap()
}

/// Another user waits for no more than a second beside an attack, or on a machine that is busy with
/// other things for not much longer than without it.
#[track_caller]
fn within_bound(usual: Duration, beside: Duration) {
    let bound = Duration::from_secs(1) + 4 * usual;
    assert!(
        beside < bound,
        "another user waited for {beside:?}, and for {usual:?} without the attack"
    );
}

#[test]
fn h08_a_client_that_never_reads() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\n",
        lab.user.uid, other.uid
    ));
    let usual = slowest_grant(&other, &veth.ifname, 10);
    let deaf = lab.wire();
    let question = encoded(&Request::Check(acquire(&veth.ifname, 0, 1)));
    deaf.send(&hello()).unwrap();
    let sender = deaf.fd().try_clone().unwrap();
    nix::fcntl::fcntl(&sender, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
        .unwrap();
    for _ in 0..2000 {
        if deaf.send(&question).is_err() {
            break;
        }
    }
    // Meanwhile another user is served.
    within_bound(usual, slowest_grant(&other, &veth.ifname, 1));
    let gone = || lab.keepers(&[listener.pid()]).is_empty();
    wait_until(Duration::from_secs(90), "the time-out of the client that never reads", gone);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h09_silent_connections_meet_the_limit_of_their_user_alone() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\n",
        lab.user.uid, other.uid
    ));
    let usual = slowest_grant(&other, &veth.ifname, 10);
    let mut silent: Vec<Wire> = Vec::new();
    let mut refused = None;
    for _ in 0..400 {
        let wire = lab.wire();
        if wire.readable(Duration::ZERO) {
            refused = Some(wire);
            break;
        }
        silent.push(wire);
    }
    let refused = match refused {
        Some(wire) => wire,
        None => {
            let refused = || silent.iter().position(|w| w.readable(Duration::ZERO));
            silent.swap_remove(lab::wait_for(SOON, "a refusal of one of 400 connections", refused))
        }
    };
    assert_eq!(refused.refusal().code, Code::Limit);
    within_bound(usual, slowest_grant(&other, &veth.ifname, 1));
    drop(refused);
    // The silent ones are ended by the time-out for idle connections.
    let first = &silent[0];
    assert!(first.readable(Duration::from_secs(90)), "a silent connection lasts");
    assert_eq!(first.refusal().code, Code::Timeout);
    drop(silent);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// Opens a connection and says nothing, again and again, with one before it still open, until
/// `over`.
fn open_without_end(user: &User, over: &AtomicBool) {
    lab::wire::with_credentials(user, || {
        let mut before = None;
        while !over.load(Ordering::Relaxed) {
            before = Wire::try_connect(SOCKET).ok().or(before);
        }
    });
}

#[test]
fn h09_who_opens_silent_connections_without_end_holds_nobody_up_for_long() {
    let lab = lab!();
    let listener = lab.listen();
    let other = lab.share();
    let veth = lab.veth(1);
    let over = AtomicBool::new(false);
    let usual = slowest_grant(&other, &veth.ifname, 10);
    let slowest = std::thread::scope(|scope| {
        let _at_the_end = Stopper(&over);
        for _ in 0..40 {
            scope.spawn(|| open_without_end(&lab.user, &over));
        }
        slowest_grant(&other, &veth.ifname, 10)
    });
    within_bound(usual, slowest);
    lab::say_figure(&format!(
        "beside 40 threads that open silent connections a grant took {slowest:?} at most"
    ));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn h09_ten_thousand_reconnects_are_flat() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let process = Process::new(listener.pid());
    let burst = |n: u32| {
        lab::wire::with_credentials(&lab.user, || {
            for i in 0..n {
                let wire = Wire::connect(SOCKET);
                if i % 2 == 0 {
                    let _ = wire.send(&[0xff; 100]);
                }
            }
        });
        lab.no_helpers_but(&[listener.pid()]);
        process.at_rest()
    };
    let before = burst(500);
    let after = burst(10_000);
    assert_eq!(after.0, before.0, "descriptors: {:?}", process.fds());
    assert!(after.1 <= before.1 + 64, "{} KiB grew to {} KiB", before.1, after.1);
    lab::say_figure(&format!(
        "10,000 hostile connections: {before:?} before, {after:?} after (descriptors, KiB)"
    ));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn an_unknown_option_is_refused_by_its_name() {
    use xsk_tests::proto::{Param, Value, param};
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    let with = |name: &str, value| Acquire {
        params: vec![Param { name: name.into(), value }],
        ..acquire(&veth.ifname, 0, 1)
    };
    let ask = |request| {
        let wire = lab.wire();
        wire.greet();
        wire.ask(request).expect_err("granted what was to be refused")
    };
    let refused = ask(with("flavour", Value::Text("mild".into())));
    assert_eq!((refused.code, refused.object.as_str()), (Code::UnknownOption, "flavour"));
    let wrong = ask(with(param::PROMISC, Value::Number(1)));
    assert_eq!(wrong.code, Code::UnknownOption, "{wrong:?}");
    assert!(wrong.message.contains("type"), "{wrong:?}");
    let not_granted = ask(with(param::PROMISC, Value::Flag(true)));
    assert_eq!(not_granted.code, Code::NotAllowed, "{not_granted:?}");
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// A client that has said more than was read sees the refusal, not a reset.
#[test]
fn h09_a_refusal_comes_before_the_end_of_the_connection() {
    let lab = lab!();
    let (veth, listener) = listening(&lab);
    lab.policy("[limits]\nconnections = 1\n");
    let first = lab.wire();
    first.greet();
    for _ in 0..50 {
        let wire = lab.wire();
        for _ in 0..3 {
            let _ = wire.send(&hello());
        }
        let packet = wire.receive_plainly().expect("a reset instead of a refusal");
        let reply = codec::decode_reply(&packet.bytes).unwrap();
        assert!(
            matches!(&reply, Reply::Refused(refused) if refused.code == Code::Limit),
            "{reply:?}"
        );
        assert!(wire.receive_plainly().expect("a reset after a refusal").bytes.is_empty());
    }
    drop(first);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
