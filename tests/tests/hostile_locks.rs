// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lock files as no honest process would leave them. Line 39 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::{User as Account, chown};
use xsk_tests::lab;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, SERVICE, SOCKET, SOON, Wire};

const LEASES: &str = "/run/xsk-helper/leases";
/// Half of them of this network namespace.
const STALE: u32 = 20_000;
/// Within the bytes of a user's leases, and above those that the policy gives.
const PLACES: i64 = (1 << 32) + 200;
/// What a helper takes by itself, in KiB.
const MEMORY: u64 = 32 << 10;

fn lock(path: &Path, start: i64, len: i64) -> fs::File {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLK(&lock)).unwrap();
    file
}

#[test]
fn h39_a_lock_without_an_end_makes_nobody_grow() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    drop(lab.wire().get(&veth.ifname, 0, 1).unwrap());
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    // Above all places of leases that the policy gives, and on a queue that is nobody's.
    let places = lock(&PathBuf::from(format!("{LEASES}/users/{}", lab.user.uid)), PLACES, 0);
    let queue = fs::read_dir(LEASES).unwrap().map(|entry| entry.unwrap().path().join("q0"));
    let queue =
        lock(&queue.filter(|path| path.exists()).last().unwrap(), i64::from(lab.user.uid), 0);
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 1, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper);
    assert!(keeper.rss() < MEMORY, "{} KiB", keeper.rss());
    assert_eq!(
        Wire::connect(SOCKET).status().leases.len(),
        2,
        "the lock on the queue is not shown as a lease"
    );
    drop((places, queue, wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

/// Lock files of interfaces of this namespace that are gone, and of namespaces that nobody knows.
fn leave_stale(cookie: u64) {
    let service = Account::from_name(SERVICE).unwrap().unwrap();
    let own = |path: &Path| chown(path, Some(service.uid), Some(service.gid)).unwrap();
    for number in 0..STALE {
        let netns = if number % 2 == 0 { cookie } else { u64::from(number) << 32 };
        let folder = PathBuf::from(format!("{LEASES}/c{netns}-i{}", 1_000_000 + number));
        fs::create_dir(&folder).unwrap();
        own(&folder);
        for file in ["lock", "q0"] {
            fs::write(folder.join(file), "").unwrap();
            own(&folder.join(file));
        }
    }
}

fn status(lab: &Lab) -> Duration {
    let wire = lab.wire();
    let begin = Instant::now();
    assert_eq!(wire.status().leases.len(), 1);
    begin.elapsed()
}

#[test]
fn h39_stale_lock_files_are_passed_by_and_reaped() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let listener = lab.listen();
    let wire = lab.wire();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let fresh = status(&lab);
    leave_stale(grant.granted.netns_cookie);
    let stale = status(&lab);
    let begin = Instant::now();
    lab.cmd("xsk-helper").arg("reap").run(SOON * 6).ok();
    let reaped = begin.elapsed();
    let left = fs::read_dir(LEASES).unwrap().count();
    assert!(left < 10, "{left} are left");
    let after = status(&lab);
    lab::say_figure(&format!(
        "status {fresh:.1?}, with {STALE} stale interfaces {stale:.1?}, after {reaped:.1?} of reap {after:.1?}"
    ));
    assert!(after < fresh * 10 + Duration::from_millis(20), "{fresh:?}, then {after:?}");
    // The lease and its user's place were left alone.
    let status = Wire::connect(SOCKET).status();
    assert_eq!(status.leases.len(), 1);
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}
