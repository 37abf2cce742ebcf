// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lease for a program in a container of an ordinary user: bubblewrap, and podman without root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, chown};
use xsk_tests::lab;
use xsk_tests::lab::{Cmd, Lab, Running, SOON, Veth};

/// The folders of the host that a program needs to run.
const SYSTEM: [&str; 4] = ["/bin", "/lib", "/lib64", "/usr"];

/// A folder of the user's.
fn folder(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.path(name);
    std::fs::create_dir_all(&path).unwrap();
    let (uid, gid) = (Uid::from_raw(lab.user.uid), Gid::from_raw(lab.user.uid));
    chown(&path, Some(uid), Some(gid)).unwrap();
    path
}

/// `run --acquire`, with a shell that starts what `engine` says: `$XSK_FDS` and `$XSK_NETDEV_n0`
/// are set.
fn run(lab: &Lab, veth: &Veth, engine: &str) -> Cmd {
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    lab.client("run").args(["--acquire", &netdev, "--", "sh", "-c", &format!("exec {engine}")])
}

fn backend(lab: &Lab, veth: &Veth) -> String {
    let program = lab.bin("xsk-backend");
    format!("{} --netdev \"$XSK_NETDEV_n0\" --peer echo={}", program.display(), veth.ip)
}

fn answers(lab: &Lab, veth: &Veth, mut running: Running) {
    running.says("ready:", 2 * SOON);
    assert_eq!(lab.pings(veth.ip, 10), 10);
    running.signal(Signal::SIGTERM);
    running.finish(SOON);
    lab.nothing_left(&veth.ifname, &[]);
}

/// The sockets are pinned to an interface that is not there, and under whose name another may be.
#[test]
fn a_backend_in_a_network_namespace_of_its_own() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let backend = backend(&lab, &veth);
    let refused = run(&lab, &veth, &format!("unshare -rn {backend}")).run(2 * SOON).exits(64);
    refused.err_has("its address cannot be read").err_has("give the peer the address: mac=MAC");
    lab.nothing_left(&veth.ifname, &[]);
    let backend = format!("{backend},mac=02:00:00:00:00:07");
    answers(&lab, &veth, run(&lab, &veth, &format!("unshare -rn {backend}")).start());
    let named = format!(
        "unshare -rn sh -c 'ip link add {} type veth peer name other && exec {backend}'",
        veth.ifname
    );
    answers(&lab, &veth, run(&lab, &veth, &named).start());
}

#[test]
fn a_backend_in_bubblewrap() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let binds: String = SYSTEM.map(|path| format!("--ro-bind {path} {path} ")).concat();
    let bin = lab.path("bin");
    let bin = bin.display();
    let engine = format!(
        "bwrap --unshare-all --share-net --die-with-parent --proc /proc --dev /dev {binds} \
         --ro-bind {bin} {bin} {}",
        backend(&lab, &veth)
    );
    answers(&lab, &veth, run(&lab, &veth, &engine).start());
}

#[test]
fn a_backend_in_podman_without_root() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    mount(Some("none"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>).unwrap();
    let (home, root) = (folder(&lab, "home"), folder(&lab, "root"));
    let binds: String = SYSTEM.map(|path| format!("-v {path}:{path}:ro ")).concat();
    let bin = lab.path("bin");
    let bin = bin.display();
    let engine = format!(
        "podman --cgroup-manager=cgroupfs --events-backend=none run --rm --cgroups=disabled \
         --network=host --preserve-fds=\"$XSK_FDS\" {binds} -v {bin}:{bin}:ro --rootfs {} {}",
        root.display(),
        backend(&lab, &veth)
    );
    // The first podman of a user leaves a process behind that keeps what it inherited.
    let first = lab.user_cmd("podman").words("--cgroup-manager=cgroupfs unshare true");
    first.env("HOME", &home).env("XDG_RUNTIME_DIR", &home).run(2 * SOON).ok();
    let cmd = run(&lab, &veth, &engine).env("HOME", &home).env("XDG_RUNTIME_DIR", &home);
    answers(&lab, &veth, cmd.start());
    lab.cmd("pkill").args(["-KILL", "-u", &lab.user.uid.to_string(), "podman"]).run(SOON).ok();
}

#[test]
fn the_number_of_descriptors_is_in_the_environment() {
    let lab = lab!();
    let veth = lab.veth(3);
    lab.allow(&veth.ifname);
    let netdev = format!("af-xdp,id=n0,ifname={},queues=3", veth.ifname);
    let script = "test -e /proc/self/fd/$((XSK_FDS + 2)) && ! test -e /proc/$$/fd/$((XSK_FDS + 3)) && echo $XSK_FDS";
    let cmd = lab.client("run").args(["--acquire", &netdev, "--", "sh", "-c", script]);
    // Three sockets, and the connection.
    assert_eq!(cmd.run(SOON).ok().stdout.trim(), "4");
    lab.nothing_left(&veth.ifname, &[]);
}
