// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lab itself: what the other tests take for granted about their host.

use std::time::Duration;

use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::{Lab, SOON, packet};
use xsk_tests::{lab, skip};

#[test]
fn an_ordinary_user_has_no_capability() {
    let lab = lab!();
    let mut sleeper = lab.user_cmd("sleep").arg("60").start();
    let process = Process::new(sleeper.pid());
    assert_eq!(process.uids(), [lab.user.uid; 4]);
    let caps = process.caps();
    assert_eq!(Caps { bounding: 0, ..caps }, Caps::NONE);
    assert_ne!(
        caps.bounding, 0,
        "an ordinary user's bounding set is full, or setuid would do nothing"
    );
    assert_eq!(process.status("NoNewPrivs"), "0");
    assert!(sleeper.runs());
}

#[test]
fn ambient_capabilities_are_those_asked_for() {
    let lab = lab!();
    let ipc_lock = caps::Capability::CAP_IPC_LOCK;
    let sleeper = lab.user_cmd("sleep").arg("60").ambient(&[ipc_lock]).start();
    let caps = Process::new(sleeper.pid()).caps();
    assert_eq!((caps.effective, caps.ambient), (ipc_lock.bitmask(), ipc_lock.bitmask()));
}

#[test]
fn users_are_distinct_and_in_the_group() {
    let lab = lab!();
    let other = lab.another_user();
    assert_ne!(lab.user.uid, other.uid);
    let id = lab.user_cmd("id").arg("-Gn").run(SOON);
    assert!(id.stdout.split_whitespace().any(|name| name == "xsk"), "{}", id.stdout);
}

#[test]
fn a_cable_carries_frames_both_ways() {
    let lab = lab!();
    let veth = lab.veth(1);
    assert_eq!(lab.xdp(&veth.ifname), None);
    let (mut here, mut there) = (lab.host_tap(&veth.ifname), lab.peer_tap(&veth));
    there.send(&packet::frame("from the peer"));
    assert!(here.receive(SOON, |f| packet::carries(f, "from the peer")).is_some());
    here.send(&packet::frame("from the host"));
    assert!(there.receive(SOON, |f| packet::carries(f, "from the host")).is_some());
}

#[test]
fn the_peer_answers_pings_over_every_queue() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.give_address(&veth);
    for queue in 0..4 {
        lab.steer(&veth, queue);
        assert_eq!(lab.pings(veth.ip, 3), 3, "queue {queue}");
    }
}

#[test]
fn two_labs_do_not_see_each_other() {
    let lab = lab!();
    lab.veth(1);
    let other = std::thread::spawn(|| Lab::new().map(|lab| lab.link("eth1").is_some()));
    match other.join().unwrap() {
        Ok(seen) => assert!(!seen, "another lab's interface is visible"),
        Err(why) => skip!("{why}"),
    }
}

#[test]
#[should_panic(expected = "the test left processes behind")]
fn a_process_left_behind_fails_the_test() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => {
            lab::say_skipped(&why);
            panic!("the test left processes behind: not tried");
        }
    };
    let shell = lab.cmd("sh").args(["-c", "setsid sleep 60 & exit 0"]).start();
    shell.finish(Duration::from_secs(5)).ok();
    drop(lab);
}
