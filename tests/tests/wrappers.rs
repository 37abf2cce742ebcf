// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands that are not QEMU's own: wrappers around QEMU and the backend, programs that close
//! their descriptors, and other consumers. All as an ordinary user who may lock 8 MiB.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::sys::resource::Resource;
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, Lab, SOON, Veth};

fn run(lab: &Lab) -> Cmd {
    lab.client("run").rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20)
}

fn netdev(veth: &Veth) -> String {
    format!("af-xdp,id=n0,ifname={}", veth.ifname)
}

#[test]
fn a_backend_behind_wrappers_gets_its_sockets() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let backend = lab.bin("xsk-backend");
    for wrapper in
        ["timeout 20", "nice -n 5", "taskset -c 0", "chrt --other 0", "env A=1 stdbuf -o L"]
    {
        let cmd = run(&lab).arg("--").words(wrapper).arg(&backend);
        let cmd =
            cmd.arg(format!("--netdev={}", netdev(&veth))).words("--peer discard --seconds 0.1");
        let done = cmd.run(SOON).ok();
        assert!(done.stdout.contains("ready: "), "{done:?}");
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn what_would_close_the_sockets_is_refused_before_anything_is_acquired() {
    let lab = lab!();
    let veth = lab.veth(1);
    // A request would be refused as not allowed.
    lab.policy("");
    for name in ["sudo", "doas", "pkexec", "systemd-run", "run0", "docker", "podman", "tmux"] {
        let closer = lab.script(name, "#!/bin/sh\nexec 3>&- 4>&-\necho started\n");
        for wrapper in [vec![], vec!["nice", "-n", "5"]] {
            let cmd =
                run(&lab).arg("--").args(&wrapper).arg(&closer).words("qemu-system-x86_64 -netdev");
            let done = cmd.arg(netdev(&veth)).run(SOON).exits(125);
            let sentence = format!(
                "xsk-client: {name} closes every descriptor above 2, so the sockets would be lost: put it before xsk-client\n"
            );
            assert!(done.stderr.starts_with(&sentence) && done.stdout.is_empty(), "{done:?}");
        }
        let done =
            run(&lab).args(["--acquire", &netdev(&veth), "--"]).arg(&closer).run(SOON).exits(125);
        assert!(done.stderr.contains("put it before xsk-client"), "{done:?}");
        // Without a netdev of ours there is nothing to lose.
        run(&lab).arg("--").arg(&closer).run(SOON).ok();
    }
    lab.no_program(&veth.ifname);
}

/// The real one, which closes them in the background alone.
#[test]
fn start_stop_daemon_is_refused_where_it_closes() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let daemon = |options: &str| {
        let cmd =
            run(&lab).args(["--acquire", &netdev(&veth), "--", "/usr/sbin/start-stop-daemon"]);
        let script = "readlink /proc/self/fd/$(echo $XSK_NETDEV_n0 | sed 's/.*sock-fds=\\([0-9]*\\).*/\\1/')";
        let cmd = cmd.words("--start --startas /bin/sh --pidfile /nonexistent").words(options);
        cmd.args(["--", "-c", script]).run(SOON)
    };
    let done = daemon("").ok();
    assert!(done.stdout.starts_with("socket:["), "{done:?}");
    assert!(
        daemon("-b")
            .exits(125)
            .stderr
            .contains("start-stop-daemon closes every descriptor above 2")
    );
    daemon("-b --no-close").ok();
}

#[test]
fn a_consumer_of_ones_own_is_started() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let consumer = lab.script("consumer", "#!/bin/sh\necho \"got $2\"\n");
    let done = run(&lab).arg("--").arg(&consumer).args(["-netdev", &netdev(&veth)]).run(SOON).ok();
    assert!(
        done.stdout.starts_with(&format!("got {},inhibit=on,sock-fds=", netdev(&veth))),
        "{done:?}"
    );
    assert!(done.stderr.contains("xsk-client run --memlock SIZE"), "{done:?}");
    let declared =
        run(&lab).args(["--memlock", "4M", "--"]).arg(&consumer).args(["-netdev", &netdev(&veth)]);
    assert!(!declared.run(SOON).ok().stderr.contains("warning: the command may lock"));
    lab.nothing_left(&veth.ifname, &[]);
}

/// A QEMU is known by its file too, and is held to QEMU's needs: this one has no af-xdp.
#[test]
fn a_qemu_by_another_name_is_known() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.policy("");
    let copy = lab.copy("/usr/bin/qemu-system-x86_64".as_ref(), "machine");
    let link = lab.path("guest");
    std::os::unix::fs::symlink("/usr/bin/qemu-system-x86_64", &link).unwrap();
    for program in [copy, link] {
        let cmd = run(&lab).args(["--backend", "direct", "--", "timeout", "20"]);
        let cmd = cmd.arg(&program).args(["-netdev", &netdev(&veth)]);
        let done = cmd.run(SOON).exits(125);
        let sentence = format!("{} has no af-xdp netdev built in", program.display());
        assert!(done.stderr.contains(&sentence), "{done:?}");
    }
}
