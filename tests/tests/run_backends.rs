// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xsk-client run` with a backend beside QEMU: an ordinary uid without any capability boots a
//! guest by vhost-user, in the distribution's QEMU and in our own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::DirEntry;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::resource::Resource;
use serde_json::json;
use xsk_tests::lab::dnsmasq::BOOT_FILE;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::qmp::Qmp;
use xsk_tests::lab::vhost::QEMU;
use xsk_tests::lab::{Cmd, HELPER, Lab, Running, SOON, wait_for, wait_until};
use xsk_tests::{lab, skip};

/// TCG on a busy machine is slow.
const BOOT: Duration = Duration::from_secs(120);

const SCRIPT: &str = "#!ipxe\necho the lab was here\nsleep 600\n";

const CARD: &str = "virtio-net-pci-non-transitional,netdev=n0,romfile=pxe-virtio.rom,bootindex=0";

/// A QEMU, with what it needs to find its firmware.
type Qemu = (PathBuf, Vec<PathBuf>);

fn debians() -> Result<Qemu, String> {
    let found = Path::new(QEMU).exists().then(|| (PathBuf::from(QEMU), Vec::new()));
    found.ok_or_else(|| format!("{QEMU} is missing: apt-get install qemu-system-x86"))
}

fn own(lab: &Lab) -> Result<Qemu, String> {
    lab.qemu().map(|(qemu, firmware)| (qemu, vec![PathBuf::from("-L"), firmware]))
}

/// A guest behind `run`, with what a login gives: no capability, and systemd's default of locked
/// memory.
fn guest(lab: &Lab, options: &[&str], (qemu, firmware): &Qemu, more: &str) -> Cmd {
    lab.bin("xsk-backend");
    lab.client("run")
        .args(options)
        .rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20)
        .arg("--")
        .arg(qemu)
        .args(firmware)
        .words("-M pc -accel tcg -m 256 -nodefaults -display none -vga none -serial stdio")
        .words(more)
        .args(["-netdev", "af-xdp,id=n0,ifname=eth1", "-device", CARD])
}

fn backends(lab: &Lab) -> Vec<Process> {
    lab.processes().into_iter().filter(|process| process.runs("xsk-backend")).collect()
}

/// The one that moves frames.
fn worker(lab: &Lab) -> Option<Process> {
    let all = backends(lab);
    all.iter().copied().find(|process| all.iter().any(|other| other.pid == process.parent()))
}

fn boots(dnsmasq: &mut Running) {
    dnsmasq.says("DHCPACK", BOOT);
    dnsmasq.says(&format!("sent /run/xsk-lab/tftp/{BOOT_FILE}"), BOOT);
}

/// QEMU's end is everybody's, and of the sockets' folders.
fn all_ends(lab: &Lab, running: Running) {
    running.kill();
    wait_until(SOON, "the backends to end", || backends(lab).is_empty());
    lab.no_helpers_but(&[]);
    let of_user = |entry: &DirEntry| entry.metadata().is_ok_and(|data| data.uid() == lab.user.uid);
    let entries = std::fs::read_dir("/tmp").unwrap().flatten();
    let left: Vec<_> = entries.filter(of_user).map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A path for the guest's QMP, and the option that makes it.
fn qmp(lab: &Lab) -> (PathBuf, String) {
    let path = lab.vhost_socket().with_file_name("qmp");
    let option = format!("-qmp unix:{},server=on,wait=off", path.display());
    (path, option)
}

fn boots_and_resets(lab: &Lab, qemu: &Qemu, options: &[&str]) -> Running {
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let (path, option) = qmp(lab);
    let running = guest(lab, options, qemu, &option).start();
    boots(&mut dnsmasq);
    let process = Process::new(running.pid());
    assert!(process.runs("qemu-system-x86_64"), "{}", process.describe());
    for one in backends(lab).into_iter().chain([process]) {
        assert_eq!(one.uids(), [lab.user.uid; 4], "{}", one.describe());
        let caps = one.caps();
        assert_eq!((caps.effective, caps.permitted), (0, 0), "{}", one.describe());
    }
    Qmp::connect(&path).run("system_reset", json!({}));
    let acks = |dnsmasq: &Running| dnsmasq.stderr().matches("DHCPACK").count();
    let before = acks(&dnsmasq);
    wait_until(BOOT, "a lease after the reset", || acks(&dnsmasq) > before);
    running
}

#[test]
fn debians_qemu_boots_by_vhost_user_and_again_after_a_reset() {
    let lab = lab!();
    let qemu = match debians() {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    // The way that is taken without a word.
    let mut running = boots_and_resets(&lab, &qemu, &[]);
    running.says("xsk-client: --backend vhost-user: the guest's memory can be shared", SOON);
    all_ends(&lab, running);
}

#[test]
fn our_qemu_boots_by_vhost_user_and_again_after_a_reset() {
    let lab = lab!();
    let qemu = match own(&lab) {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    let running = boots_and_resets(&lab, &qemu, &["--backend", "vhost-user"]);
    all_ends(&lab, running);
}

#[test]
fn a_killed_backend_is_started_again_and_the_guest_goes_on() {
    let lab = lab!();
    let qemu = match debians() {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let mut running = guest(&lab, &["--backend", "vhost-user"], &qemu, "").start();
    dnsmasq.says("DHCPDISCOVER", BOOT);
    killed_and_replaced(&lab, &mut running);
    boots(&mut dnsmasq);
    all_ends(&lab, running);
}

/// From 8.0 on QEMU connects a stream again.
#[test]
fn a_stream_of_a_newer_qemu_goes_on_after_a_kill() {
    let lab = lab!();
    let qemu = match own(&lab) {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let mut running = guest(&lab, &["--backend", "stream"], &qemu, "").start();
    dnsmasq.says("DHCPDISCOVER", BOOT);
    killed_and_replaced(&lab, &mut running);
    boots(&mut dnsmasq);
    all_ends(&lab, running);
}

fn killed_and_replaced(lab: &Lab, running: &mut Running) {
    let first = wait_for(SOON, "the backend", || worker(lab));
    first.kill();
    running.says("was killed by signal 9; starting it again", SOON);
    let again = || worker(lab).is_some_and(|process| process != first);
    wait_until(SOON, "another backend", again);
}

/// It asks for an address again and again, so that what goes on is heard.
const RESTLESS: &str = "#!ipxe\n:again\ndhcp\nsleep 1\ngoto again\n";

/// A saved state names the guest's memory by the machine's own name for it.
#[test]
fn a_state_saved_with_a_stream_loads_with_vhost_user() {
    let lab = lab!();
    let qemu = match debians() {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let mut dnsmasq = lab.dnsmasq(&veth, RESTLESS);
    let (path, option) = qmp(&lab);
    let state = path.with_file_name("state");
    let running = guest(&lab, &["--backend", "stream"], &qemu, &option).start();
    boots(&mut dnsmasq);
    let mut monitor = Qmp::connect(&path);
    monitor.run("stop", json!({}));
    monitor.run("migrate", json!({ "uri": format!("exec:cat >{}", state.display()) }));
    wait_until(BOOT, "the state to be saved", || {
        monitor.run("query-migrate", json!({}))["status"] == "completed"
    });
    all_ends(&lab, running);
    lab.nothing_left(&veth.ifname, &[]);

    let load = |options: &[&str], more: &str| {
        let words = format!("{option} {more}");
        let cmd = guest(&lab, options, &qemu, &words);
        cmd.args(["-incoming", &format!("exec:cat {}", state.display())]).start()
    };
    let other = "-object memory-backend-memfd,id=m0,size=256M -machine memory-backend=m0";
    let mut refused = load(&["--backend", "vhost-user"], other);
    refused.says("nknown ramblock", BOOT);
    all_ends(&lab, refused);
    lab.nothing_left(&veth.ifname, &[]);

    let acks = |dnsmasq: &Running| dnsmasq.stderr().matches("DHCPACK").count();
    let before = acks(&dnsmasq);
    let running = load(&["--backend", "vhost-user"], "");
    let mut monitor = Qmp::connect(&path);
    wait_until(BOOT, "the state to be loaded", || {
        monitor.run("query-status", json!({}))["status"] == "paused"
    });
    monitor.run("cont", json!({}));
    wait_until(BOOT, "the guest to go on", || acks(&dnsmasq) > before);
    all_ends(&lab, running);
    lab.nothing_left(&veth.ifname, &[]);
}

/// In `$( … )` a shell waits for the end of everybody who has its pipe.
#[test]
fn a_daemon_returns_to_its_caller_and_its_backend_logs_to_syslog() {
    let lab = lab!();
    let qemu = match debians() {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let (client, _) = (lab.bin("xsk-client"), lab.bin("xsk-backend"));
    lab.bin("xsk-helper");
    let pidfile = lab.vhost_socket().with_file_name("pid");
    let syslog = lab.syslog();
    lab.user_cmd("sh")
        .args(["-c", "all=$(\"$@\" 2>&1) || exit; echo \"$all\"", "sh"])
        .arg(client)
        .args(["run", "--backend", "vhost-user", "--helper", HELPER, "--"])
        .arg(&qemu.0)
        .words("-M pc -accel tcg -m 64 -S -nodefaults -display none -daemonize -pidfile")
        .arg(&pidfile)
        .args(["-netdev", "af-xdp,id=n0,ifname=eth1", "-device", "virtio-net-pci,netdev=n0"])
        .rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20)
        .run(BOOT)
        .ok();
    let pid = std::fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    let qemu = Process::new(pid);
    assert!(qemu.is_live(), "QEMU has ended");
    let first = wait_for(SOON, "the backend", || worker(&lab));
    // Streams, sockets and pipes of its own, and nothing of QEMU's, such as its pidfile.
    let fds = first.fds();
    assert!(fds.iter().all(|(_, what)| !what.contains("vhost/pid")), "{fds:?}");
    first.kill();
    let line = syslog.line("starting it again");
    assert!(line.contains("xsk-backend[") && line.contains("was killed by signal 9"), "{line}");
    wait_until(SOON, "another backend", || worker(&lab).is_some_and(|process| process != first));
    qemu.kill();
    wait_until(SOON, "the backends to end", || backends(&lab).is_empty());
    lab.nothing_left(&veth.ifname, &[]);
}

/// Eight guests of one user, a queue each, in Debian's default limit; then the hint is for more
/// than one.
#[test]
fn eight_guests_of_one_user_start_within_debians_limit() {
    let lab = lab!();
    let qemu = match debians() {
        Ok(qemu) => qemu,
        Err(why) => skip!("{why}"),
    };
    lab.veth(9);
    lab.allow("eth1");
    lab.bin("xsk-backend");
    lab.bin("xsk-helper");
    let guest = |queue: u32| {
        lab.client("run")
            .args(["--backend", "stream"])
            .rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20)
            .arg("--")
            .arg(&qemu.0)
            .words("-M pc -accel tcg -m 16 -S -nodefaults -display none -vga none -monitor stdio")
            .args(["-netdev", &format!("af-xdp,id=n0,ifname=eth1,start-queue={queue}")])
    };
    let mut running = vec![];
    for queue in 0..8 {
        let mut one = guest(queue).start();
        let begun = wait_for(BOOT, "QEMU, or an end", || {
            let runs = Process::new(one.pid()).runs("qemu-system-x86_64");
            (runs || !one.runs()).then_some(runs)
        });
        assert!(begun, "guest {queue}: {}", one.stderr());
        running.push(one);
    }
    let refused = guest(8).run(BOOT).exits(125);
    assert!(refused.stderr.contains("memlock_mib = 32"), "{refused:?}");
    running.into_iter().for_each(|one| drop(one.kill()));
    wait_until(SOON, "the backends to end", || backends(&lab).is_empty());
    lab.nothing_left("eth1", &[]);
}
