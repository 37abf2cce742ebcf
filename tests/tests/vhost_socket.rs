// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket of `--peer vhost-user`: where it may be, whose connections it accepts, and that
//! either end may come and go.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use xsk_tests::lab;
use xsk_tests::lab::frontend::{self, FEATURES, FrontEnd, numbers, request};
use xsk_tests::lab::packet;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Lab, SOON, Veth, wait_for, wait_until};

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// What a device says that cannot begin, with this status.
fn refusal(lab: &Lab, veth: &Veth, peer: &str, status: i32) -> String {
    lab.allow(&veth.ifname);
    let netdev = format!("af-xdp,id=n0,ifname={}", veth.ifname);
    let run = lab.client("run").arg("--").arg(lab.bin("xsk-backend"));
    run.args(["--netdev", &netdev, "--peer", peer]).run(SOON).exits(status).stderr
}

#[test]
fn it_is_made_for_its_user_alone_and_replaced_when_nobody_listens() {
    let lab = lab!();
    let veth = lab.veth(1);
    for _ in 0..2 {
        let (device, path) = lab.vhost(&veth, "");
        assert_eq!(mode(&path), 0o600);
        // The socket stays behind, and the next device takes its place.
        device.kill();
        assert!(path.exists());
        lab.nothing_left(&veth.ifname, &[]);
    }
    let group = lab.user.groups.first().copied().unwrap_or(lab.user.uid);
    for (options, wanted) in [(format!(",group={group}"), 0o660), (",mode=640".into(), 0o640)] {
        let (device, path) = lab.vhost(&veth, &options);
        assert_eq!(mode(&path), wanted, "{options}");
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn what_is_there_already_is_left_alone() {
    let lab = lab!();
    let veth = lab.veth(1);
    let path = lab.vhost_socket();
    let peer = format!("vhost-user={}", path.display());
    let target = lab.path("target");
    std::fs::write(&target, "mine").unwrap();
    symlink(&target, &path).unwrap();
    let said = refusal(&lab, &veth, &peer, 78);
    assert!(said.contains("what is at this path is not a socket"), "{said}");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    refusal(&lab, &veth, &peer, 78);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    std::fs::remove_file(&path).unwrap();
    // A socket of another user's, at which nobody listens.
    drop(UnixListener::bind(&path).unwrap());
    refusal(&lab, &veth, &peer, 78);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    let (device, _path) = lab.vhost(&veth, "");
    let other = lab.veth(1);
    let said = refusal(&lab, &other, &peer, 75);
    assert!(said.contains("another process already listens at this path"), "{said}");
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
    lab.nothing_left(&other.ifname, &[]);
}

/// Before the first message of a front end: nothing to gain, nothing to read, hardly a system call.
#[test]
fn a_device_has_given_up_what_it_does_not_need() {
    let lab = lab!();
    let veth = lab.veth(2);
    for options in ["", ",server=off"] {
        let (device, _path) = lab.vhost(&veth, options);
        let process = Process::new(device.pid());
        let tasks = std::fs::read_dir(format!("/proc/{}/task", device.pid())).unwrap().count();
        assert_eq!(tasks, 5, "the main thread, the service, the one that closes, and two queues");
        for task in std::fs::read_dir(format!("/proc/{}/task", device.pid())).unwrap() {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"] {
                assert!(status.contains(line), "{line}: {status}");
            }
        }
        // What cannot be dumped cannot be looked into by its own user either.
        let looked = lab.user_cmd("cat").arg(format!("/proc/{}/maps", process.pid)).run(SOON);
        assert!(looked.stdout.is_empty(), "{}", looked.stdout);
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn a_guests_memory_is_in_no_dump() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let _front = FrontEnd::working(&path, 1);
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps", device.pid())).unwrap();
    let guest = maps.split("VmFlags:").zip(maps.split("VmFlags:").skip(1));
    let mut flags = guest.filter(|(map, _)| map.contains("/memfd:guest")).map(|(_, flags)| flags);
    let flags = flags.next().expect("guest memory is mapped").lines().next().unwrap();
    assert!(flags.split_whitespace().any(|flag| flag == "dd"), "{flags}");
    assert!(!flags.split_whitespace().any(|flag| flag == "ex"), "{flags}");
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let lab = lab!();
    let veth = lab.veth(1);
    for (folder, mode) in [("open", 0o777), ("sticky", 0o1777), ("group", 0o770)] {
        let folder = lab.path(folder);
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(lab.user.uid), Some(lab.user.uid)).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
        let said = refusal(&lab, &veth, &format!("vhost-user={}/n0", folder.display()), 78);
        assert!(said.contains("can be written by other users"), "{said}");
        assert!(said.contains("$XDG_RUNTIME_DIR"), "{said}");
    }
}

#[test]
fn another_user_is_turned_away_unless_named() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (mut device, path) = lab.vhost(&veth, "");
    // Root can open any socket; it is not this user all the same.
    assert!(FrontEnd::connect(&path).unwrap().is_closed());
    device.says("uid 0 was turned away", SOON);
    device.says("user=0 would allow it", SOON);
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
    for options in [",user=root", ",user=0"] {
        let (device, path) = lab.vhost(&veth, options);
        FrontEnd::connect(&path).unwrap().set_up(FEATURES, 1);
        device.kill();
        lab.nothing_left(&veth.ifname, &[]);
    }
}

#[test]
fn it_connects_where_it_is_told_to_and_again() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (mut device, path) = lab.vhost(&veth, ",server=off,reconnect=0.1,user=0");
    for _ in 0..2 {
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stream, _) = wait_for(SOON, "the device to connect", || listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        let mut front = FrontEnd::over(stream).unwrap();
        front.set_up(FEATURES, 1);
        std::fs::remove_file(&path).unwrap();
    }
    assert!(device.runs());
    device.signal(Signal::SIGTERM);
    device.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn with_reconnect_0_it_ends_with_its_front_end() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (mut device, path) = lab.vhost(&veth, ",reconnect=0,user=0");
    FrontEnd::connect(&path).unwrap().set_up(FEATURES, 1);
    wait_until(SOON, "the device to end", || !device.runs());
    device.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_device_that_is_started_again_goes_on_where_the_rings_stand() {
    let lab = lab!();
    let veth = lab.veth(1);
    let (device, path) = lab.vhost(&veth, ",user=0");
    let mut front = FrontEnd::working(&path, 1);
    front.post(0, 0, 4);
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
    // What was sent while there was no device leaves with the next one.
    front.descriptor(1, 0, 0x8_0000, 72, 0, 0);
    front.offer(1, 0);
    let (device, path) = lab.vhost(&veth, ",user=0");
    front.come_back(&path);
    wait_until(SOON, "the frame to be taken", || front.used(1) == 2);
    assert!(front.transmit(1, &frontend::frame()), "the ring stands still");
    lab.peer_tap(&veth).send(&packet::frame("after the restart"));
    let arrived = |number| packet::carries(&front.received(0, number)[12..], "after the restart");
    wait_until(SOON, "a frame to the guest", || (0..front.used(0)).any(arrived));
    device.kill();
    lab.nothing_left(&veth.ifname, &[]);
}

/// A region more, that the guest uses at once, and away again under its traffic.
#[test]
fn memory_comes_and_goes_while_frames_move() {
    let lab = lab!();
    let (veth, device, path) = lab.vhost_for_root(1);
    let mut front = FrontEnd::working(&path, 1);
    let more = std::fs::File::from(memfd_create(c"more", MFdFlags::MFD_CLOEXEC).unwrap());
    let (len, at) = (1 << 20, 1 << 32);
    more.set_len(len).unwrap();
    let region = [numbers(&[0]), numbers(&[at, len, 1 << 46, 0])].concat();
    let mut tap = lab.peer_tap(&veth);
    for round in 0..20 {
        front.must(request::ADD_MEM_REG, &region, &[more.as_raw_fd()]);
        let text = format!("from what was plugged, round {round}");
        more.write_all_at(&[&[0; 12][..], &packet::frame(&text)].concat(), 0x2000).unwrap();
        let before = front.used(1);
        front.descriptor(1, 0, at + 0x2000, 72, 0, 0);
        front.offer(1, 0);
        wait_until(SOON, "the frame to be taken", || front.used(1) != before);
        assert!(tap.receive(SOON, |frame| packet::carries(frame, &text)).is_some());
        front.must(request::REM_MEM_REG, &region, &[]);
        assert!(front.transmit(1, &frontend::frame()), "the ring stands still");
    }
    // What is gone is not there any more.
    let mapped = std::fs::read_to_string(format!("/proc/{}/maps", device.pid())).unwrap();
    assert!(!mapped.contains("memfd:more"), "{mapped}");
    front.descriptor(1, 0, at + 0x2000, 72, 0, 0);
    front.offer(1, 0);
    wait_until(SOON, "the ring to stop", || {
        device.stderr().contains("are not in the guest's memory")
    });
    drop(front);
    lab.vhost_ends_well(&veth, device, &path);
}
