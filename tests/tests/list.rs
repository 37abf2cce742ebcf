// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client list`: the interfaces that a user may use, and whose their queues are.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use xsk_socket::Bound;
use xsk_tests::lab;
use xsk_tests::lab::afxdp::bind;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Cmd, Lab, SOCKET, SOON, User, Veth, Wire, wait_until};

/// By root.
fn list(lab: &Lab) -> Cmd {
    lab.cmd("xsk-client").args(["list", "--socket", SOCKET])
}

fn listed(list: Cmd) -> Vec<Value> {
    serde_json::from_str(&list.arg("--json").run(SOON).ok().stdout).unwrap()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["ifname"].as_str().unwrap()).collect()
}

/// A lease of one queue, whose socket is bound.
fn holds(user: &User, veth: &Veth, queue: u32) -> (Wire, Bound) {
    let wire = Wire::connect_as(SOCKET, user);
    let mut leased = wire.get_at_once(&veth.ifname, queue, 1);
    let bound = bind(leased.sockets.remove(0), leased.granted.ifindex, queue);
    (wire, bound.unwrap())
}

#[test]
fn a_user_sees_what_the_policy_allows_and_which_queues_are_free() {
    let lab = lab!();
    let (veth, hidden) = (lab.veth(4), lab.veth(1));
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"{}\"]\nshared = true\npromisc = true\n",
        lab.user.uid, other.uid, veth.ifname
    ));
    let listener = lab.listen();
    let (mine, theirs) = (holds(&lab.user, &veth, 0), holds(&other, &veth, 2));
    let rows = listed(list(&lab).user(&lab.user));
    assert_eq!(names(&rows), [&veth.ifname]);
    let row = &rows[0];
    assert_eq!(
        (&row["driver"], &row["mtu"], &row["queues"]),
        (&json!("veth"), &json!(1500), &json!(4))
    );
    assert_eq!(
        (&row["up"], &row["mode"], &row["usable"]),
        (&json!(true), &json!("native"), &json!(true))
    );
    assert_eq!((&row["yours"], &row["promisc"]), (&json!([0]), &json!(true)));
    // Linux 6.15 and later tell of sockets; on others it is not known.
    match &row["others"] {
        Value::Null => assert_eq!(row["free"], Value::Null),
        others => assert_eq!((others, &row["free"]), (&json!([2]), &json!([1, 3]))),
    }
    let text = list(&lab).user(&lab.user).run(SOON).ok().stdout;
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[1][..4], [veth.ifname.as_str(), "veth", "up", "1500"]);
    assert!(!text.contains(&hidden.ifname), "{text}");
    // Root sees whose they are on every kernel, and every interface.
    lab.policy("[[allow]]\nusers = [0]\ninterfaces = [\"*\"]\n");
    let rows = listed(list(&lab));
    assert_eq!(names(&rows), [&veth.ifname, &hidden.ifname]);
    assert_eq!((&rows[0]["yours"], &rows[0]["others"]), (&json!([]), &json!([0, 2])));
    drop((mine, theirs));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// Where the rule shares nothing and another user is there, a request would be refused, and so
/// `list` and `doctor` say it.
#[test]
fn an_interface_that_another_user_holds_unshared_is_busy() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\n",
        lab.user.uid, other.uid
    ));
    let listener = lab.listen();
    let held = holds(&other, &veth, 1);
    let rows = listed(list(&lab).user(&lab.user));
    assert_eq!((&rows[0]["usable"], &rows[0]["code"]), (&json!(false), &json!("busy")));
    let name = lab.account();
    let doctor =
        || lab.cmd("xsk-client").args(["doctor", "--qemu", "/nonexistent", "--socket", SOCKET]);
    // By root for the user, who is whom the answer is about; root has no rule here.
    let said = doctor().args(["--as", &name, &veth.ifname]).run(SOON).exits(75);
    assert!(said.stdout.contains(&format!("uid {}", other.uid)), "{said:?}");
    doctor().arg(&veth.ifname).run(SOON).exits(77);
    doctor().args(["--as", "no-such-user-here"]).run(SOON).exits(64).err_has("there is no user");
    let by_user = doctor().user(&lab.user).args(["--as", &name]).run(SOON);
    by_user.exits(64).err_has("only root can look as another user");
    drop(held);
    wait_until(SOON, "the lease to end", || lab.keepers(&[listener.pid()]).is_empty());
    let said = doctor().args(["--as", &name, &veth.ifname, "--json"]).run(SOON).exits(0);
    assert!(said.stdout.contains("you may have"), "{said:?}");
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn what_cannot_be_used_is_not_listed_or_has_the_reason_with_it() {
    let lab = lab!();
    lab.allow("*");
    ip(&["tuntap", "add", "dev", "tun9", "mode", "tun"]);
    let veth = lab.veth(1);
    let listener = lab.listen();
    // No tun without Ethernet frames, and no loopback.
    assert_eq!(names(&listed(list(&lab).user(&lab.user))), [&veth.ifname]);
    let rule = |more: &str| lab.policy(&format!("[[allow]]\nusers = [{}]\n{more}\n", lab.user.uid));
    // A rule of other queues than the first.
    rule("interfaces = [\"*\"]\nqueues = \"1-3\"\nconfine = \"device\"");
    let rows = listed(list(&lab).user(&lab.user));
    assert_eq!((names(&rows), &rows[0]["usable"]), (vec![veth.ifname.as_str()], &json!(false)));
    assert!(rows[0]["message"].as_str().unwrap().contains("queue"), "{rows:?}");
    let text = list(&lab).user(&lab.user).run(SOON).ok().stdout;
    assert!(text.contains(&format!("{}: ", veth.ifname)) && text.contains("  hint: "), "{text}");
    rule("interfaces = [\"nonesuch\"]");
    let done = list(&lab).user(&lab.user).run(SOON).ok();
    assert!(done.stderr.contains("the policy allows you no interface"), "{done:?}");
    assert_eq!(done.stdout.lines().count(), 1, "{done:?}");
    assert_eq!(listed(list(&lab).user(&lab.user)), Vec::<Value>::new());
    lab.policy("[[allow]]\nusers = [\n");
    list(&lab).user(&lab.user).run(SOON).exits(78).err_has("the policy cannot be used");
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
