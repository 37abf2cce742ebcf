// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locked memory, if the helper may raise its limit, which needs CAP_SYS_RESOURCE: `make vm` runs
//! these. The consumer is this program once more, as an ordinary user's process with a UMEM as
//! large as QEMU's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use caps::{CapSet, Capability};
use nix::sys::resource::{Resource, getrlimit};
use xsk_socket::{Config, Unbound};
use xsk_tests::lab;
use xsk_tests::lab::proc::{Caps, Process};
use xsk_tests::lab::wire::{acquire, pair};
use xsk_tests::lab::{Lab, Running, SOCKET, SOON, User, Wire};
use xsk_tests::proto::{Acquire, Param, Value, param};

const MIB: u64 = 1 << 20;

/// What one queue of QEMU's locks.
const QUEUE: u64 = 32 * MIB;

const BY_NUMBER: &str = "warning before Linux 6.5 the process whose memlock was raised is known by \
                         its number and its user alone";

/// TCG in TCG: iPXE needs minutes.
const BOOT: Duration = Duration::from_secs(300);

/// The interface that the consumer asks for; only it has this variable.
const TASK: &str = "XSK_CONSUMER";

/// Plays the consumer: asks, says what was granted, locks a UMEM, says whether that went well, and
/// ends its lease once its standard input ends; then it says its limit, and stays until it is
/// killed.
#[test]
fn consumer() {
    let Ok(ifname) = std::env::var(TASK) else { return };
    let wire = Wire::connect(SOCKET);
    wire.greet();
    let params = vec![Param { name: param::MEMLOCK.into(), value: Value::Number(QUEUE) }];
    let grant = wire.ask(Acquire { params, ..acquire(&ifname, 0, 1) });
    let mut grant = grant.unwrap_or_else(|refused| panic!("{refused:?}"));
    let memlock = grant.granted.memlock;
    println!("granted limit {} leased {}", memlock.limit / MIB, memlock.leased / MIB);
    grant.granted.warnings.iter().for_each(|warning| println!("warning {}", warning.text));
    let frames = Config::default().frames(8192).min_frames(8192).frame_size(4096);
    let ready = Unbound::adopt(grant.sockets.remove(0)).unwrap().prepare(&frames);
    println!("umem {}", if ready.is_ok() { "locked" } else { "refused" });
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0]);
    drop((ready, wire));
    println!("limit after {:?}", getrlimit(Resource::RLIMIT_MEMLOCK).unwrap());
    std::thread::sleep(Duration::from_secs(600));
}

/// A consumer with the 64 KiB that a login gets, and what ends its lease when it is dropped.
struct Consumer {
    running: Running,
    lease: Option<OwnedFd>,
}

impl Consumer {
    fn start(lab: &Lab, user: &User, ifname: &str) -> Self {
        let (read, write) = nix::unistd::pipe().unwrap();
        let mut running = lab
            .cmd(lab.path("consumer"))
            .user(user)
            .args(["--exact", "consumer", "--nocapture"])
            .env(TASK, ifname)
            .rlimit(Resource::RLIMIT_MEMLOCK, 64 << 10)
            .stdin(read)
            .start();
        running.says("umem ", lab::wire::ANSWER);
        Self { running, lease: Some(write) }
    }

    fn said(&self, text: &str) -> bool {
        self.running.stdout().contains(text)
    }

    fn lets_go(&mut self) {
        self.lease = None;
        self.running.says("limit after", SOON);
    }
}

/// A lab in which the helper can raise a limit; says so where it cannot.
fn lab_with_rights(memlock_mib: u32) -> Option<Lab> {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => {
            lab::say_skipped(&why);
            return None;
        }
    };
    if !caps::has_cap(None, CapSet::Permitted, Capability::CAP_SYS_RESOURCE).unwrap() {
        lab::say_elsewhere("root has no CAP_SYS_RESOURCE here");
        return None;
    }
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nmemlock_mib = {memlock_mib}\n",
        lab.user.uid
    ));
    lab.copy(&std::env::current_exe().unwrap(), "consumer");
    Some(lab)
}

#[test]
fn the_limit_is_raised_to_the_sum_of_the_users_leases() {
    let Some(lab) = lab_with_rights(256) else { return };
    let (one, two) = (lab.veth(1), lab.veth(1));
    let listener = lab.listen();
    let mut first = Consumer::start(&lab, &lab.user, &one.ifname);
    assert!(first.said("granted limit 32 leased 32"), "{}", first.running.stdout());
    assert!(first.said("umem locked"), "{}", first.running.stdout());
    // SO_PEERPIDFD is 77; where it is not there, the grant says how the process was found.
    let by_number = lab::kernel::socket_option(pair(&lab.user).0.fd(), 77).is_err();
    assert_eq!(first.said(BY_NUMBER), by_number, "{}", first.running.stdout());
    // The kernel charges both to the user, so a process needs room for both.
    let second = Consumer::start(&lab, &lab.user, &two.ifname);
    assert!(second.said("granted limit 64 leased 64"), "{}", second.running.stdout());
    assert!(second.said("umem locked"), "{}", second.running.stdout());
    first.lets_go();
    assert!(first.said(&format!("limit after ({0}, {0})", QUEUE)), "{}", first.running.stdout());
    lab::wait_until(SOON, "the first lease to end", || lab.keepers(&[listener.pid()]).len() == 1);
    // What has ended counts no more.
    let third = Consumer::start(&lab, &lab.user, &one.ifname);
    assert!(third.said("granted limit 64 leased 64"), "{}", third.running.stdout());
    assert!(third.said("umem locked"), "{}", third.running.stdout());
    for consumer in [first, second, third] {
        consumer.running.kill();
    }
    lab.nothing_left(&one.ifname, &[listener.pid()]);
    lab.nothing_left(&two.ifname, &[listener.pid()]);
    lab::say_feature("raised memlock", "yes");
}

#[test]
fn the_limit_is_raised_no_further_than_the_policy_lets() {
    let Some(lab) = lab_with_rights(48) else { return };
    let (one, two) = (lab.veth(1), lab.veth(1));
    let listener = lab.listen();
    let first = Consumer::start(&lab, &lab.user, &one.ifname);
    assert!(first.said("granted limit 32 leased 32") && first.said("umem locked"));
    let second = Consumer::start(&lab, &lab.user, &two.ifname);
    assert!(second.said("granted limit 48 leased 64"), "{}", second.running.stdout());
    assert!(second.said("umem refused"), "{}", second.running.stdout());
    first.running.kill();
    second.running.kill();
    lab.nothing_left(&one.ifname, &[listener.pid()]);
    lab.nothing_left(&two.ifname, &[listener.pid()]);
}

#[test]
fn one_users_leases_are_not_another_ones_sum() {
    let Some(lab) = lab_with_rights(256) else { return };
    let (one, two) = (lab.veth(1), lab.veth(1));
    let other = lab.another_user();
    lab.policy(&format!(
        "[[allow]]\nusers = [{}, {}]\ninterfaces = [\"*\"]\nmemlock_mib = 256\n",
        lab.user.uid, other.uid
    ));
    let listener = lab.listen();
    let first = Consumer::start(&lab, &lab.user, &one.ifname);
    let second = Consumer::start(&lab, &other, &two.ifname);
    for consumer in [first, second] {
        assert!(consumer.said("granted limit 32 leased 32"), "{}", consumer.running.stdout());
        assert!(consumer.said("umem locked"), "{}", consumer.running.stdout());
        consumer.running.kill();
    }
    lab.nothing_left(&one.ifname, &[listener.pid()]);
    lab.nothing_left(&two.ifname, &[listener.pid()]);
}

#[test]
fn without_a_word_in_the_policy_no_limit_is_raised() {
    let Some(lab) = lab_with_rights(0) else { return };
    let veth = lab.veth(1);
    let listener = lab.listen();
    let consumer = Consumer::start(&lab, &lab.user, &veth.ifname);
    assert!(consumer.said("granted limit 0 leased 32"), "{}", consumer.running.stdout());
    assert!(consumer.said("umem refused"), "{}", consumer.running.stdout());
    consumer.running.kill();
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
}

#[test]
fn a_real_qemu_without_any_capability_boots_a_guest() {
    let Some(lab) = lab_with_rights(64) else { return };
    let (qemu, firmware) = match lab.qemu() {
        Ok(paths) => paths,
        Err(why) => return lab::say_elsewhere(&why),
    };
    let veth = lab.veth(1);
    lab.complete_checksums(&veth);
    let mut dnsmasq = lab.dnsmasq(&veth, "#!ipxe\necho the lab was here\nsleep 600\n");
    let card = "virtio-net-pci-non-transitional,netdev=n0,romfile=pxe-virtio.rom,bootindex=0";
    let guest = lab
        .client("run")
        .rlimit(Resource::RLIMIT_MEMLOCK, 64 << 10)
        .args(["--backend", "direct", "--"])
        .arg(qemu)
        .args([
            "-M",
            "pc",
            "-accel",
            "tcg",
            "-m",
            "64",
            "-nodefaults",
            "-display",
            "none",
            "-vga",
            "none",
        ])
        .args(["-serial", "stdio", "-L"])
        .arg(firmware)
        .args(["-netdev", &format!("af-xdp,id=n0,ifname={}", veth.ifname), "-device", card])
        .start();
    dnsmasq.says("DHCPACK", BOOT);
    dnsmasq.says(&format!("sent /run/xsk-lab/tftp/{}", lab::dnsmasq::BOOT_FILE), BOOT);
    let process = Process::new(guest.pid());
    assert!(process.runs("qemu-system-x86_64"), "{}", process.describe());
    assert_eq!(process.uids(), [lab.user.uid; 4]);
    assert_eq!(Caps { bounding: 0, ..process.caps() }, Caps::NONE);
    assert_eq!(lab.keepers(&[]).len(), 1);
    guest.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
