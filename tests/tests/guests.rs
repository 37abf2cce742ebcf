// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest needs to receive anything, and what `xsk-client run` does or says about it: an
//! address that the interface lets in, the frames for groups, and finished checksums.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use caps::Capability;
use nix::sys::resource::Resource;
use xsk_tests::lab::dnsmasq::BOOT_FILE;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::{Cmd, Done, HELPER, Lab, SOON, Veth};
use xsk_tests::{lab, skip};

const CARD: &str = "virtio-net-pci,netdev=n0";
const DEFAULT: &str = "52:54:00:12:34:56";
const GIVEN: &str = "52:54:00:00:00:07";
/// IFF_ALLMULTI of linux/if.h.
const ALLMULTI: u32 = 0x200;

fn netdev(ifname: &str) -> String {
    format!("af-xdp,id=n0,ifname={ifname}")
}

/// A command that prints its words, as what becomes of them; it may lock memory as QEMU does.
fn run(lab: &Lab, options: &[&str]) -> Cmd {
    let run = lab.client("run").ambient(&[Capability::CAP_IPC_LOCK]);
    run.args(options).args(["--", "printf", "%s\\n"])
}

fn seen(lab: &Lab, options: &[&str], command: &[&str]) -> Done {
    run(lab, options).args(command).run(SOON).ok()
}

/// A cable with a macvlan on it, in this mode.
fn macvlan(lab: &Lab, mode: &str) -> Veth {
    let veth = lab.veth(1);
    ip(&["link", "add", "link", &veth.ifname, "name", "mv1", "type", "macvlan", "mode", mode]);
    ip(&["link", "set", "mv1", "up"]);
    veth
}

fn mac(ifname: &str) -> String {
    std::fs::read_to_string(format!("/sys/class/net/{ifname}/address")).unwrap().trim().to_owned()
}

#[test]
fn a_guest_is_warned_of_an_address_that_does_not_arrive() {
    let lab = lab!();
    macvlan(&lab, "bridge");
    lab.policy(&format!(
        "[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\npromisc = true\n",
        lab.user.uid
    ));
    let own = mac("mv1");
    let given = format!("{CARD},mac={GIVEN}");
    let cases = [
        (vec!["-netdev", "af-xdp,id=n0,ifname=mv1", "-device", CARD], DEFAULT, " (QEMU's default)"),
        (vec!["-netdev", "af-xdp,id=n0,ifname=mv1", "-device", &given], GIVEN, ""),
        (vec!["-nic", "af-xdp,ifname=mv1,model=e1000"], DEFAULT, " (QEMU's default)"),
        (vec!["-net", "af-xdp,ifname=mv1", "-net", "nic"], DEFAULT, " (QEMU's default)"),
        (
            vec![
                "-netdev",
                "{\"type\":\"af-xdp\",\"id\":\"n0\",\"ifname\":\"mv1\"}",
                "-device",
                CARD,
            ],
            DEFAULT,
            " (QEMU's default)",
        ),
    ];
    for (command, address, default) in cases {
        // A macvlan is not opened by promiscuous mode.
        for options in [&[][..], &["--promisc"]] {
            let done = seen(&lab, options, &command);
            let warning = format!(
                "xsk-client: mv1: warning: the guest's mac={address}{default} is not the interface's, and mv1 is a \
                 macvlan, which receives for its own address alone, promiscuous or not: only mac={own} helps, as \
                 xsk-client run --mac=interface writes it\n"
            );
            assert!(done.stderr.contains(&warning), "{command:?} {options:?}: {done:?}");
        }
    }
    let right = format!("{CARD},mac={}", own.to_uppercase());
    let done = seen(&lab, &[], &["-netdev", "af-xdp,id=n0,ifname=mv1", "-device", &right]);
    assert!(!done.stderr.contains("mac="), "{done:?}");
    // A veth filters nothing, and a card that is not plugged in here is none of it.
    let done = seen(&lab, &[], &["-netdev", "af-xdp,id=n0,ifname=eth1", "-device", CARD]);
    assert!(!done.stderr.contains("mac="), "{done:?}");
    let done =
        seen(&lab, &[], &["-netdev", "af-xdp,id=n0,ifname=mv1", "-device", "e1000,netdev=other"]);
    assert!(!done.stderr.contains("mac="), "{done:?}");
    lab.nothing_left("mv1", &[]);
}

/// It has all frames of the interface below.
#[test]
fn a_macvlan_in_mode_passthru_filters_nothing() {
    let lab = lab!();
    macvlan(&lab, "passthru");
    lab.allow("*");
    let done = seen(&lab, &[], &["-netdev", "af-xdp,id=n0,ifname=mv1", "-device", CARD]);
    assert!(!done.stderr.contains("mac="), "{done:?}");
    lab.nothing_left("mv1", &[]);
}

#[test]
fn the_interfaces_address_is_written_into_the_card() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let (own, netdev) = (mac(&veth.ifname), netdev(&veth.ifname));
    let json = "{\"driver\":\"virtio-net-pci\",\"netdev\":\"n0\"}";
    let cases = [
        (vec!["-netdev", &netdev, "-device", CARD], 3, format!("{CARD},mac={own}")),
        (
            vec!["--device", json, "--netdev", &netdev],
            1,
            json.replace("\"n0\"}", &format!("\"n0\",\"mac\":\"{own}\"}}")),
        ),
        (
            vec!["-net", &netdev, "-net", "nic,model=e1000"],
            3,
            format!("nic,model=e1000,macaddr={own}"),
        ),
    ];
    for (command, place, expected) in cases {
        let done = seen(&lab, &["--mac=interface"], &command);
        let words: Vec<&str> = done.stdout.lines().collect();
        assert_eq!(words[place], expected, "{done:?}");
        assert_eq!(words.len(), command.len());
    }
    let nic = format!("{netdev},model=e1000");
    let done = seen(&lab, &["--mac", "interface"], &["-nic", &nic]);
    assert!(done.stdout.contains(&format!("model=e1000,mac={own},inhibit=on")), "{done:?}");
    let done =
        lab.client("run").args(["--dry-run", "--mac=interface", "--", "echo", "-netdev", &netdev]);
    let done = done.args(["-device", CARD]).run(SOON).ok();
    assert!(done.stdout.ends_with(&format!("-device {CARD},mac=MAC\n")), "{done:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn one_card_for_each_netdev_and_nothing_else_gets_the_address() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow("*");
    let one = netdev(&veth.ifname);
    let second = one.replace("n0", "n1") + ",start-queue=1";
    let given = format!("{CARD},mac={GIVEN}");
    let cases = [
        (vec!["-netdev", &one], "no card is plugged into n0"),
        (vec!["-netdev", &one, "-device", CARD, "-device", CARD], "2 cards are plugged into n0"),
        (
            vec!["-netdev", &one, "-device", &given],
            &format!("the card has an address already: {given}"),
        ),
        (
            vec![
                "-netdev",
                &one,
                "-device",
                CARD,
                "-netdev",
                &second,
                "-device",
                "e1000,netdev=n1",
            ],
            "two cards would have the one address of eth1",
        ),
        (vec!["-append", "-device", "-netdev", &one, "-name", CARD], "no card is plugged into n0"),
    ];
    for (command, sentence) in cases {
        let done =
            run(&lab, &["--mac=interface"]).args(&command).run(SOON).exits(125).err_has(sentence);
        assert!(done.stderr.contains("hint: "), "{done:?}");
        assert_eq!(done.stdout, "");
    }
    let backend = ["--", "xsk-backend", "--netdev", &one, "--peer", "discard"];
    lab.bin("xsk-backend");
    let done = lab.client("run").args(["--mac=interface"]).args(backend).run(SOON).exits(125);
    done.err_has("no card is plugged into n0");
    lab.nothing_left(&veth.ifname, &[]);
}

/// Two guests with one address would each get a part of what is for the other.
#[test]
fn an_interface_with_another_lease_does_not_give_its_address_away() {
    let lab = lab!();
    let veth = lab.veth(2);
    let other = lab.share();
    let command = ["-netdev", "af-xdp,id=n0,ifname=eth1,start-queue=1", "-device", CARD];
    for user in [&lab.user, &other] {
        let (wire, helper) = lab.exec(user);
        let grant = wire.get(&veth.ifname, 0, 1).unwrap();
        let done = run(&lab, &["--mac=interface"]).args(command).run(SOON).exits(125);
        done.err_has("eth1 has another lease, and this one was to be the only one");
        seen(&lab, &[], &command);
        drop((wire, grant, helper));
        lab.nothing_left(&veth.ifname, &[]);
    }
    seen(&lab, &["--mac=interface"], &command);
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn a_guest_with_the_hosts_address_is_warned_of_the_host() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let command = ["-netdev", "af-xdp,id=n0,ifname=eth1", "-device", CARD];
    assert!(!seen(&lab, &["--mac=interface"], &command).stderr.contains("both answer ARP"));
    lab.give_address(&veth);
    let done = seen(&lab, &["--mac=interface"], &command);
    assert!(
        done.stderr.contains("xsk-client: eth1: warning: the guest has the address of eth1"),
        "{done:?}"
    );
    assert!(
        done.stderr.contains("both answer ARP, and both have its IPv6 link-local address"),
        "{done:?}"
    );
    assert!(!seen(&lab, &[], &command).stderr.contains("both answer ARP"));
    ip(&["address", "flush", "dev", "eth1"]);
    ip(&["link", "add", "br1", "type", "bridge"]);
    ip(&["link", "set", "eth1", "master", "br1"]);
    let done = seen(&lab, &["--mac=interface"], &command);
    assert!(done.stderr.contains("both answer ARP"), "{done:?}");
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn the_interface_receives_for_the_guests_own_address() {
    let lab = lab!();
    lab.veth(1);
    let policy = |macs: &str| {
        let rule = format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n{macs}", lab.user.uid);
        lab.policy(&rule);
    };
    policy("macs = [\"52:54:00:*\"]\n");
    let card = format!("{CARD},mac={GIVEN}");
    let netdev = netdev("eth1");
    let table = "bridge fdb show dev eth1";
    for (card, address) in [(card.as_str(), GIVEN), (CARD, DEFAULT)] {
        let run =
            lab.client("run").args(["--mac=guest", "--", "sh", "-c", table, "-netdev", &netdev]);
        let done = run.args(["-device", card]).run(SOON).ok();
        let has = |line: &str| line.starts_with(address) && line.contains("self");
        assert!(done.stdout.lines().any(has), "{done:?}");
    }
    let refused = |command: &[&str], sentence: &str| {
        run(&lab, &["--mac=guest"]).args(command).run(SOON).exits(125).err_has(sentence);
    };
    refused(&["-netdev", &netdev], "no card is plugged into n0");
    refused(
        &["-netdev", &netdev, "-device", "e1000,netdev=n0,mac=x"],
        "--mac=guest: 'x' is no address",
    );
    policy("");
    refused(&["-netdev", &netdev, "-device", CARD], "macs");
    lab.nothing_left("eth1", &[]);
}

#[test]
fn groups_are_asked_for_where_the_interface_filters() {
    let lab = lab!();
    macvlan(&lab, "bridge");
    lab.allow("*");
    let flags = |ifname: &str| {
        let run = lab.client("run").args(["--acquire", &netdev(ifname), "--", "cat"]);
        let done = run.arg(format!("/sys/class/net/{ifname}/flags")).run(SOON).ok();
        let flags = done.stdout.trim().trim_start_matches("0x").to_owned();
        (u32::from_str_radix(&flags, 16).unwrap() & ALLMULTI, done.stderr)
    };
    let missing = "mv1: warning: it lets in no frames for groups";
    let (on, said) = flags("mv1");
    assert!(on == ALLMULTI && !said.contains(missing), "{said}");
    assert_eq!(flags("eth1").0, 0, "a veth filters nothing");
    let rule =
        format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\nallmulti = false\n", lab.user.uid);
    lab.policy(&rule);
    let (on, said) = flags("mv1");
    assert!(on == 0 && said.contains(missing), "{said}");
    let backend = lab.user_cmd("xsk-backend").args(["--helper", HELPER, "--peer", "discard"]);
    let done = backend.args(["--seconds", "0.1", "--netdev", "af-xdp,ifname=mv1"]).run(SOON).ok();
    assert!(done.stderr.contains(&format!("xsk-backend: {missing}")), "{done:?}");
    lab.nothing_left("mv1", &[]);
}

/// A cable with both ends on the host, as it is made.
fn visible_cable() {
    ip(&["link", "add", "eth9", "type", "veth", "peer", "name", "far9"]);
    ip(&["link", "set", "far9", "up"]);
    ip(&["link", "set", "eth9", "up"]);
}

#[test]
fn what_the_other_end_leaves_undone_is_said_before_the_start() {
    let lab = lab!();
    let veth = lab.veth(1);
    visible_cable();
    lab.allow("*");
    let checksums = "eth9: warning: far9, the other end, sends frames without their checksums, and a guest drops them: sudo \
                     ethtool -K far9 tx off\n";
    let segments = "eth9: warning: far9, the other end, sends segments unsplit, and skb mode drops those: sudo ethtool \
                    -K far9 tso off gso off tx-udp-segmentation off\n";
    let said = |netdev: &str| seen(&lab, &[], &["-netdev", netdev]).stderr;
    let native = said("af-xdp,id=n0,ifname=eth9");
    assert!(native.contains(checksums) && !native.contains(segments), "{native}");
    let skb = said("af-xdp,id=n0,ifname=eth9,mode=skb");
    assert!(skb.contains(checksums) && skb.contains(segments), "{skb}");
    // Our own backend completes checksums, and cannot split segments.
    let backend = lab.client("run").arg("--").arg(lab.bin("xsk-backend"));
    let backend =
        backend.words("--netdev af-xdp,ifname=eth9,mode=skb --peer discard --seconds 0.1");
    let backend = backend.run(SOON).ok().stderr;
    assert!(!backend.contains(checksums) && backend.contains(segments), "{backend}");
    lab.cmd("ethtool").words("-K far9 tx off").run(SOON).ok();
    let mended = said("af-xdp,id=n0,ifname=eth9,mode=skb");
    assert!(!mended.contains("far9, the other end, leaves checksums"), "{mended}");
    let elsewhere = said(&netdev(&veth.ifname));
    let unseen = "eth1: warning: the other end is in another network namespace: whether it fills in checksums cannot be seen from here: in the other end's network namespace: ethtool -K PEER tx off\n";
    assert!(elsewhere.contains(unseen), "{elsewhere}");
    lab.nothing_left("eth9", &[]);
}

/// Where Debian has it.
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// TCG on a busy machine is slow.
const BOOT: Duration = Duration::from_secs(120);
const SCRIPT: &str = "#!ipxe\necho the lab was here\nsleep 600\n";

/// A guest of the distribution's QEMU on the macvlan, started by the shortest command that works.
fn guest(lab: &Lab, options: &[&str]) -> Cmd {
    lab.bin("xsk-backend");
    let run = lab.client("run").args(["--backend", "stream"]).args(options);
    let run = run.rlimit(Resource::RLIMIT_MEMLOCK, 8 << 20).args(["--", QEMU]);
    let card = "virtio-net-pci-non-transitional,netdev=n0,romfile=pxe-virtio.rom,bootindex=0";
    run.words("-M pc -accel tcg -m 256 -nodefaults -display none -vga none -serial stdio").args([
        "-netdev",
        "af-xdp,id=n0,ifname=mv1",
        "-device",
        card,
    ])
}

#[test]
fn a_guest_on_a_macvlan_boots_with_the_interfaces_address() {
    let lab = lab!();
    if !Path::new(QEMU).exists() {
        skip!("{QEMU} is missing: apt-get install qemu-system-x86");
    }
    let veth = macvlan(&lab, "bridge");
    lab.allow("*");
    let mut dnsmasq = lab.dnsmasq(&veth, SCRIPT);
    let running = guest(&lab, &["--mac=interface"]).start();
    dnsmasq.says(&format!("DHCPACK({}) {} {}", veth.peer, veth.ip, mac("mv1")), BOOT);
    dnsmasq.says(&format!("sent /run/xsk-lab/tftp/{BOOT_FILE}"), BOOT);
    assert!(!running.stderr().contains("is not the interface's"), "{}", running.stderr());
    running.kill();
    lab.nothing_left("mv1", &[]);
}
