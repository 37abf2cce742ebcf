// SPDX-License-Identifier: MIT OR Apache-2.0
//! How `xsk-client run` rewrites a command line, as the command sees it, and as QEMU's own parser
//! reads it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use caps::Capability;
use xsk_tests::lab::fake::sock_fds;
use xsk_tests::lab::{Cmd, Done, Lab, SOON};
use xsk_tests::{lab, skip};

/// The command may lock memory, as QEMU's 32 MiB a queue need where the limit cannot be raised.
fn run(lab: &Lab) -> Cmd {
    lab.client("run").ambient(&[Capability::CAP_IPC_LOCK])
}

/// What `printf` prints of its arguments: one a line.
fn seen(lab: &Lab, args: &[&str]) -> Vec<String> {
    let done = run(lab).args(["--", "printf", "%s\\n"]).args(args).run(SOON).ok();
    done.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_netdev_is_rewritten_in_place_and_nothing_else() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let before = [
        "-m",
        "256",
        "-netdev",
        "af-xdp,id=n0,ifname=eth1,queues=2",
        "-device",
        "x,netdev=n0,y=a,,b",
        "--",
        "",
    ];
    let after = seen(&lab, &before);
    assert_eq!(after.len(), before.len());
    for (n, (old, new)) in before.iter().zip(&after).enumerate() {
        assert!(n == 3 || old == new, "argument {n}: {old:?} became {new:?}");
    }
    let netdev = &after[3];
    assert_eq!(sock_fds(netdev).len(), 2, "{netdev}");
    assert!(sock_fds(netdev).iter().all(|fd| fd.parse::<u32>().unwrap() >= 3), "{netdev}");
    for part in ["af-xdp,", "id=n0", "ifname=eth1", "queues=2", "mode=native", "inhibit=on"] {
        assert!(netdev.contains(part), "{part} is not in {netdev}");
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_mode_is_the_one_really_attached() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    lab::link::ip(&[
        "link",
        "add",
        "link",
        &veth.ifname,
        "name",
        "mv1",
        "type",
        "macvlan",
        "mode",
        "bridge",
    ]);
    for (netdev, mode) in [
        ("af-xdp,id=n0,ifname=eth1", "mode=native"),
        ("af-xdp,id=n0,ifname=eth1,mode=skb", "mode=skb"),
        ("af-xdp,id=n0,ifname=mv1", "mode=skb"),
    ] {
        let after = seen(&lab, &["-netdev", netdev]);
        assert_eq!(after[1].matches("mode=").count(), 1, "{after:?}");
        assert!(after[1].contains(mode), "{after:?}");
        lab.nothing_left(&veth.ifname, &[]);
        lab.no_program("mv1");
    }
}

#[test]
fn several_netdevs_and_those_that_have_their_sockets() {
    let lab = lab!();
    let (one, two) = (lab.veth(2), lab.veth(1));
    lab.allow("*");
    let given = "af-xdp,id=n2,ifname=eth2,inhibit=on,sock-fds=7";
    let after = seen(
        &lab,
        &[
            "-netdev",
            "af-xdp,id=n0,ifname=eth1,start-queue=1",
            "--netdev",
            "{\"type\":\"af-xdp\",\"id\":\"n1\",\"ifname\":\"eth2\"}",
            "-netdev",
            given,
            "-netdev",
            "user,id=n3",
        ],
    );
    assert_eq!(sock_fds(&after[1]).len(), 1, "{after:?}");
    let json: serde_json::Value = serde_json::from_str(&after[3]).unwrap();
    assert_eq!(
        (json["inhibit"].as_bool(), json["mode"].as_str()),
        (Some(true), Some("native")),
        "{json}"
    );
    assert!(json["sock-fds"].as_str().unwrap().parse::<u32>().unwrap() >= 3, "{json}");
    assert_eq!((after[5].as_str(), after[7].as_str()), (given, "user,id=n3"));
    lab.nothing_left(&one.ifname, &[]);
    lab.nothing_left(&two.ifname, &[]);
}

#[test]
fn a_failure_on_the_second_netdev_gives_the_first_lease_back() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let done = run(&lab)
        .args([
            "--",
            "echo",
            "started",
            "-netdev",
            "af-xdp,id=n0,ifname=eth1",
            "-netdev",
            "af-xdp,id=n1,ifname=eth8",
        ])
        .run(SOON)
        .exits(125)
        .err_has("eth8");
    assert_eq!(done.stdout, "");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn exit_codes_are_those_of_env() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let acquire = ["--acquire", "af-xdp,id=n0,ifname=eth1"];
    lab.client("run").args(acquire).args(["--", "/no/such/program"]).run(SOON).exits(127);
    lab.client("run").args(acquire).args(["--", "/etc/passwd"]).run(SOON).exits(126);
    lab.client("run").args(acquire).args(["--", "sh", "-c", "exit 7"]).run(SOON).exits(7);
    lab.client("run")
        .args(["--acquire", "af-xdp,id=n0,ifname=eth1,mode=fast", "--", "true"])
        .run(SOON)
        .exits(125);
    lab.client("run").args(["--no-such-option", "--", "true"]).run(SOON).exits(125);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_dry_run_acquires_nothing() {
    let lab = lab!();
    let veth = lab.veth(1);
    let netdev = ["-netdev", "af-xdp,id=n0,ifname=eth1"];
    let done =
        lab.client("run").args(["--dry-run", "--", "printf", "%s"]).args(netdev).run(SOON).ok();
    assert!(done.stdout.contains("sock-fds="), "{}", done.stdout);
    lab.nothing_left(&veth.ifname, &[]);
}

/// QEMU without a machine, that ends once it has read its command line.
fn through_qemu(lab: &Lab, qemu: &std::path::Path, netdev: &[&str]) -> Done {
    let quit = lab.path("quit");
    std::fs::write(&quit, "quit\n").unwrap();
    run(lab)
        .args(["--backend", "direct", "--"])
        .arg(qemu)
        .args(["-nodefaults", "-display", "none", "-machine", "none", "-monitor", "stdio"])
        .args(netdev)
        .stdin(std::fs::File::open(&quit).unwrap().into())
        .run(Duration::from_secs(60))
}

#[test]
fn qemus_own_parser_takes_the_result() {
    let lab = lab!();
    let (qemu, _) = match lab.qemu() {
        Ok(paths) => paths,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    for netdev in [
        &["-netdev", "af-xdp,id=n0,ifname=eth1"][..],
        &["--netdev", "af-xdp,ifname=eth1,queues=2,id=n0"],
        &["-netdev", "af-xdp,id=n0,ifname=eth1,start-queue=1,mode=skb,force-copy=on"],
        &["-netdev", "{\"type\":\"af-xdp\",\"id\":\"n0\",\"ifname\":\"eth1\",\"queues\":2}"],
        &[
            "-netdev",
            "af-xdp,id=n0,ifname=eth1",
            "-netdev",
            "af-xdp,id=n1,ifname=eth1,start-queue=1",
        ],
    ] {
        let done = through_qemu(&lab, &qemu, netdev).ok();
        let said: Vec<&str> = done
            .stderr
            .lines()
            .filter(|l| l.starts_with("qemu") && !l.contains("has no peer"))
            .collect();
        assert!(said.is_empty(), "{netdev:?}: {said:?}");
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn a_wrong_rewriting_is_seen_by_qemus_own_parser() {
    let lab = lab!();
    let (qemu, _) = match lab.qemu() {
        Ok(paths) => paths,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    // As the command line would be after each of these mistakes; 9 is no open descriptor.
    for (mistake, netdev) in [
        ("sockets without inhibit", "af-xdp,id=n0,ifname=eth1,mode=native,sock-fds=9"),
        ("inhibit without sockets", "af-xdp,id=n0,ifname=eth1,mode=native,inhibit=on"),
        ("too few sockets", "af-xdp,id=n0,ifname=eth1,queues=2,mode=native,inhibit=on,sock-fds=9"),
        ("too many sockets", "af-xdp,id=n0,ifname=eth1,mode=native,inhibit=on,sock-fds=9:10"),
        (
            "no descriptor behind the number",
            "af-xdp,id=n0,ifname=eth1,mode=native,inhibit=on,sock-fds=9",
        ),
        (
            "a word that QEMU does not know",
            "af-xdp,id=n0,ifname=eth1,mode=auto,inhibit=on,sock-fds=9",
        ),
    ] {
        let quit = lab.path("quit");
        std::fs::write(&quit, "quit\n").unwrap();
        let done = lab
            .user_cmd(&qemu)
            .args(["-nodefaults", "-display", "none", "-machine", "none", "-monitor", "stdio"])
            .args(["-netdev", netdev])
            .stdin(std::fs::File::open(&quit).unwrap().into())
            .run(Duration::from_secs(60));
        // QEMU dies of the one with a wrong descriptor, without a word.
        assert!(!done.status.success(), "{mistake} goes unseen: {done:?}");
    }
    lab.nothing_left(&veth.ifname, &[]);
}
