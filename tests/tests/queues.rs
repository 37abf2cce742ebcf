// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface of several queues: the holder of some is told about the others, and can ask for
//! all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::{Done, HELPER, Lab, SOON, Veth};

fn run(lab: &Lab, option: &str, netdev: &str) -> Done {
    lab.client("run").args(["--", "echo", option, netdev]).run(SOON).ok()
}

fn netdev(veth: &Veth, more: &str) -> String {
    format!("af-xdp,id=n0,ifname={}{more}", veth.ifname)
}

#[test]
fn who_holds_one_queue_of_four_is_told() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    let ifname = &veth.ifname;
    let one = run(&lab, "-netdev", &netdev(&veth, ""));
    let warning = format!(
        "xsk-client: warning: {ifname} has 4 queues and you hold 1: frames on the others do not reach the command; take them all with queues=all\n"
    );
    assert!(one.stderr.contains(&warning), "{one:?}");
    let two =
        [netdev(&veth, ",queues=2"), netdev(&veth, ",queues=2,start-queue=2").replace("n0", "n1")];
    let both = lab
        .client("run")
        .args(["--", "echo", "-netdev", &two[0], "-netdev", &two[1]])
        .run(SOON)
        .ok();
    assert!(!both.stderr.contains("you hold"), "{both:?}");
    assert!(!run(&lab, "-netdev", &netdev(&veth, ",queues=4")).stderr.contains("you hold"));
    lab.nothing_left(ifname, &[]);
}

#[test]
fn a_veth_of_one_queue_says_nothing() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    assert!(!run(&lab, "-netdev", &netdev(&veth, "")).stderr.contains("you hold"));
}

#[test]
fn all_queues_are_written_as_their_number() {
    let lab = lab!();
    let veth = lab.veth(4);
    lab.allow(&veth.ifname);
    let ifname = &veth.ifname;
    let comma = run(&lab, "-netdev", &netdev(&veth, ",queues=all"));
    assert!(
        comma.stdout.starts_with(&format!("-netdev {},inhibit=on", netdev(&veth, ",queues=4"))),
        "{comma:?}"
    );
    assert_eq!(comma.stdout.matches(':').count(), 3, "{comma:?}");
    let json = format!(
        r#"{{"type":"af-xdp","id":"n0","ifname":"{ifname}","queues":"all","start-queue":1}}"#
    );
    let json = run(&lab, "-netdev", &json);
    assert!(json.stdout.contains(r#""queues":3,"start-queue":1"#), "{json:?}");
    let nic = run(&lab, "-nic", &netdev(&veth, ",queues=all,model=e1000"));
    assert!(nic.stdout.contains(",queues=4,model=e1000"), "{nic:?}");
    let beyond = lab.client("run").args([
        "--",
        "echo",
        "-netdev",
        &netdev(&veth, ",queues=all,start-queue=4"),
    ]);
    assert!(
        beyond.run(SOON).exits(125).stderr.contains("has 4 queues to receive, and none from 4 on")
    );
    let backend = lab.user_cmd("xsk-backend").args([
        "--helper",
        HELPER,
        "--peer",
        "discard",
        "--seconds",
        "0.1",
    ]);
    let done = backend.args(["--json", "--netdev", &netdev(&veth, ",queues=all")]).run(SOON).ok();
    let ready = done.stdout.lines().next().unwrap();
    assert_eq!(ready.matches("\"queue\":").count(), 4, "{done:?}");
    lab.nothing_left(ifname, &[]);
}
